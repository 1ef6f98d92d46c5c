"""What the two servers of the test Hub share: bodies, faults, answers, the log; and the objects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.hub_faults import Fault, Logged
from tests.servers.hub_repository import Refused

if TYPE_CHECKING:
    from tests.servers.hub import Hub


class Cut(Exception):
    """The connection is to be closed without an answer."""


class Handler(BaseHTTPRequestHandler):
    """Reads every body whole, answers with a length, and keeps the log."""

    protocol_version = "HTTP/1.1"
    hub: Hub
    fault: Fault | None = None

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the hub keeps a log of its own."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        url = urlsplit(self.path)
        self.raw_path, self.query = url.path, parse_qs(url.query, keep_blank_values=True)
        self.decoded = unquote(url.path)
        self.body, self._is_logged = b"", False
        self.fault = fault = self.hub.struck(self.command, self.decoded)
        try:
            if fault and fault.cut_body:
                size = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(min(1_000, size // 2))
                raise Cut
            self.body = self._read_body()
            self._silent = False
            if fault and fault.before:
                fault.before()
            if fault and fault.damage and self.body:
                self.body = self.body[:-1] + bytes([self.body[-1] ^ 1])
            if fault and fault.status:
                self._refuse(fault.status, "Fault", "a fault of the test", fault.headers)
            else:
                self._silent = fault is not None and fault.cuts_answer
                self._answer()
        except Refused as refused:
            self._refuse(*refused.args)
        except (Cut, ConnectionError):
            self.close_connection = True
        finally:
            self._log(0, 0)

    def _log(self, status: int, bytes_out: int) -> None:
        """Once a request, and before its answer: who has that may look for it in the log."""
        if not self._is_logged:
            self._is_logged = True
            entry = Logged(self.command, self.decoded, status, len(self.body), bytes_out)
            self.hub.log.append(entry)

    def _answer(self) -> None:
        raise NotImplementedError

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size)
            if len(body) < size:  # the client is gone
                raise Cut
            return body
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, str] = {}) -> None:
        said = {"Content-Type": "application/json", **headers}
        self._send(status, json.dumps(value).encode(), said)

    def _refuse(
        self, status: int, code: str, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        said = {"X-Error-Code": code, "X-Error-Message": text, **(headers or {})}
        self._silent = False
        self._json({"error": text}, status, said)

    def _content(self, content: bytes, headers: Mapping[str, str]) -> None:
        """A file or the part of it that is asked for."""
        headers = {**headers, "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if part is None:
            self._send(200, content, headers)
            return
        first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
        if first >= len(content):
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._send(206, content[first : last + 1], headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        if self._silent:
            raise Cut
        self._log(status, len(body))
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    _silent = _is_logged = False


class ObjectHandler(Handler):
    """The store of large files: `/object/SHA256`, in parts `/part/SHA256/NUMBER`."""

    def _answer(self) -> None:
        objects = self.hub.objects
        _, kind, sha256, *number = self.decoded.split("/")
        if self.command == "PUT" and kind == "part":
            self._send(200, b"", {"ETag": objects.put_part(sha256, int(number[0]), self.body)})
        elif self.command == "PUT":
            objects.put(sha256, self.body)
            self._send(200, b"", {"ETag": f'"{sha256}"'})
        elif self.command == "POST" and kind == "complete":
            said = json.loads(self.body)
            objects.join(said["oid"], [(p["partNumber"], p["etag"]) for p in said["parts"]])
            self._json({})
        elif self.command == "POST":  # verify
            said = json.loads(self.body)
            if not objects.has(said["oid"]) or objects.size(said["oid"]) != said["size"]:
                raise Refused(404, "EntryNotFound", "the object is not there")
            self._json({})
        elif objects.has(sha256):
            self._content(objects.get(sha256), {"ETag": f'"{sha256}"'})
        else:
            raise Refused(404, "EntryNotFound", "the object is not there")
