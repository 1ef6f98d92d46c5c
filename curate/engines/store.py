"""The sample store: no completion that was paid for is asked for again.

    with Store("runs/store") as store:
        store.get(request) or ask(request)      # what an engine said, whenever and for whatever run
        store.put(request, completion)          # before anything else happens to it

Shared by all runs and pipelines, on any shared file system, without locks; never deleted. A store
sees what was there when it was opened, and what it wrote itself. It belongs to one process, and any
thread of it.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from curate.engines.request import Completion, Request
from curate.engines.segments import (
    HEADER_BYTES,
    Header,
    SegmentWriter,
    entries,
    prefix,
    unpack_header,
    unpack_payload,
)
from curate.errors import StoreError
from curate.sample import digest

_PLACE = np.dtype([("segment", "<u4"), ("length", "<u4"), ("offset", "<u8")])
_RECENT = 16_384
_OPEN_FILES = 64


class Place(NamedTuple):
    """Where a record lies: the number of its segment, and where there."""

    segment: int
    length: int
    offset: int


class _Table:
    """Key prefix -> places, 24 bytes a record: sorted arrays, and a dict of the newest ones."""

    def __init__(self, keys: np.ndarray, places: np.ndarray) -> None:
        self._sort(keys, places)

    def __len__(self) -> int:
        return len(self._keys) + self._count

    def add(self, key: int, place: Place) -> None:
        self._recent.setdefault(key, []).append(place)
        self._count += 1
        if self._count >= _RECENT:
            self._merge()

    def find(self, key: int) -> Iterator[Place]:
        wanted = np.uint64(key)
        at = int(np.searchsorted(self._keys, wanted))
        while at < len(self._keys) and self._keys[at] == wanted:
            yield Place(*self._places[at].item())
            at += 1
        yield from self._recent.get(key, ())

    def _merge(self) -> None:
        flat = [(key, place) for key, places in self._recent.items() for place in places]
        keys = np.array([key for key, _ in flat], dtype="<u8")
        places = np.array([place for _, place in flat], dtype=_PLACE)
        self._sort(np.append(self._keys, keys), np.append(self._places, places))

    def _sort(self, keys: np.ndarray, places: np.ndarray) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._places = keys[order], places[order]
        self._recent: dict[int, list[Place]] = {}
        self._count = 0


class Store:
    """Completions by what determines them, in a folder that is made by the first `put`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damaged = 0
        """Records that were found but could not be read back whole, so far."""
        self._lock = threading.RLock()
        self._segments: list[Path] = []
        self._files: OrderedDict[int, int] = OrderedDict()
        self._writer: SegmentWriter | None = None
        try:
            self._table = self._load()
        except OSError as error:
            raise StoreError(
                f"cannot read the sample store {self.path}: {error.strerror};"
                " choose another with store=FOLDER"
            ) from None

    def _load(self) -> _Table:
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(
                f"the sample store {self.path} is a file where a folder should be;"
                " move it away or choose another with store=FOLDER"
            )
        self._segments = sorted(self.path.glob("*.records"))
        keys, places = [np.empty(0, "<u8")], [np.empty(0, _PLACE)]
        for number, segment in enumerate(self._segments):
            found = entries(segment)
            place = np.empty(len(found), _PLACE)
            place["segment"] = number
            place["length"], place["offset"] = found["length"], found["offset"]
            keys.append(found["key"])
            places.append(place)
        return _Table(np.concatenate(keys), np.concatenate(places))

    def __len__(self) -> int:
        """How many completions there are."""
        return len(self._table)

    def get(self, request: Request, rules: frozenset[str] = frozenset()) -> Completion | None:
        """What `request` would get, or None when it must be asked for; `rules` may cut answers.


        Of several records the one with the smallest content hash counts, so the order of writing
        does not.
        """
        with self._lock:
            found = [
                (header.content, completion)
                for header, completion in self._records(request.key)
                if completion.serves(request, rules)
            ]
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def put(self, request: Request, completion: Completion) -> None:
        """Keeps a completion; when this returns, killing the process does not lose it."""
        key = bytes.fromhex(request.key)
        payload = _payload(request, completion)
        with self._lock:
            if any(known == completion for _, known in self._records(request.key)):
                return
            writer = self.prepare()
            try:
                entry = writer.append(key, payload)
            except StoreError:
                writer.close()
                self._writer = None
                raise
            place = Place(len(self._segments) - 1, entry.length, entry.offset)
            self._table.add(prefix(key), place)

    def prepare(self) -> SegmentWriter:
        """Opens the segment to write to, so that a folder that cannot be is known beforehand."""
        with self._lock:
            if self._writer is None:
                self._writer = SegmentWriter(self.path)
                self._segments.append(self._writer.path)
            return self._writer

    def remember(self, url: str, model: str) -> None:
        """Notes which model an endpoint serves, for the replay when nothing answers there."""
        path = self._endpoint(url)
        part = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"url": url, "model": model}), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise StoreError(
                f"cannot write to the sample store {self.path}: {error.strerror};"
                " choose another with store=FOLDER"
            ) from None

    def served(self, url: str) -> str | None:
        """The model that an endpoint served last; None when it was never asked."""
        try:
            return json.loads(self._endpoint(url).read_text(encoding="utf-8"))["model"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def close(self) -> None:
        """Closes the files; nothing else needs to be done."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _records(self, key: str) -> Iterator[tuple[Header, Completion]]:
        wanted = bytes.fromhex(key)
        for place in self._table.find(prefix(wanted)):
            data = os.pread(self._open(place.segment), HEADER_BYTES + place.length, place.offset)
            header = unpack_header(data)
            payload = header and unpack_payload(header, data[HEADER_BYTES:])
            if header is None or payload is None:
                self.damaged += 1
            elif header.key == wanted:
                yield header, _completion(payload)

    def _open(self, segment: int) -> int:
        """A descriptor of a segment; the least recently used is closed when there are too many."""
        if segment in self._files:
            self._files.move_to_end(segment)
            return self._files[segment]
        if len(self._files) >= _OPEN_FILES:
            os.close(self._files.popitem(last=False)[1])
        self._files[segment] = os.open(self._segments[segment], os.O_RDONLY | os.O_CLOEXEC)
        return self._files[segment]

    def _endpoint(self, url: str) -> Path:
        return self.path / "endpoints" / f"{digest(url)[:16]}.json"


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _payload(request: Request, completion: Completion) -> bytes:
    """What is stored: the completion, and for its reader what was asked of whom."""
    values = {name: value for name, value in vars(completion).items() if value is not None}
    values["asked"] = {"model": request.model, "revision": request.revision, "seed": request.seed}
    return _encode(values).encode("utf-8", "surrogatepass")


def _completion(payload: bytes) -> Completion:
    values: dict[str, Any] = json.loads(payload.decode("utf-8", "surrogatepass"))
    del values["asked"]
    return Completion(**{"prompt_tokens": None, "completion_tokens": None, **values})
