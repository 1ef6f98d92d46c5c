"""A Hub of one dataset, as far as a reader needs it: Range and HEAD, no writing."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def small_hub(name: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Serves the dataset `name` on the loopback, with branch `main`; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: what matters is what the client gets."""

        def do_POST(self) -> None:
            body = unquote(self.rfile.read(int(self.headers["Content-Length"])).decode())
            wanted = re.findall(r'paths"?[=:]\s*\[?"?([^&"\]]+)', body)
            self._json([entry(path) for path in wanted if path in files])

        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            if not re.search(rf"/(main|{COMMIT})(/|$)", path) and "/revision/" in path:
                self._refuse("RevisionNotFound")
            elif found := re.fullmatch(rf"/api/datasets/{name}(/revision/\w+)?", path):
                self._json({"id": name, "sha": COMMIT, "siblings": siblings, "tags": []})
            elif found := re.fullmatch(rf"/api/datasets/{name}/tree/\w+/?(.*)", path):
                inside = [p for p in files if p.startswith(found[1])]
                self._json([entry(p) for p in inside]) if inside else self._refuse("EntryNotFound")
            elif found := re.fullmatch(rf"/datasets/{name}/resolve/\w+/(.+)", path):
                self._file(files[found[1]]) if found[1] in files else self._refuse("EntryNotFound")
            else:
                self._refuse("RepoNotFound")

        do_HEAD = do_GET

        def _json(self, value: object) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _refuse(self, code: str) -> None:
            self._send(404, b"", {"X-Error-Code": code, "X-Error-Message": code})

        def _file(self, content: bytes) -> None:
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            headers = {"ETag": tag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if part := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
                first, last = int(part[1]), min(int(part[2] or len(content)), len(content) - 1)
                headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                self._send(206, content[first : last + 1], headers)
            else:
                self._send(200, content, headers)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def entry(path: str) -> dict[str, object]:
        return {"type": "file", "path": path, "oid": "0" * 40, "size": len(files[path])}

    siblings = [{"rfilename": path} for path in files]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
