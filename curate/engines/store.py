"""The sample store: no completion that was paid for is asked for again.

    with Store("runs/store") as store:
        store.get(request) or ask(request)      # what an engine said, whenever and for whatever run
        store.put(request, completion)          # before anything else happens to it

Shared by all runs and pipelines, on any shared file system; nobody waits for a lock; never deleted.
A store sees what was there when it was opened, and what it wrote itself. It belongs to one process,
and any thread of it. Compaction may replace segments under a running store, which then looks again.

Measured with benchmarks/store.py on busy cores: a million records open in 0.4 s and take 41 bytes
of memory each (24 in the table; 93 while opening); 20 kB of a trace take 6,183 bytes on disk.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

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
_LOOKS = 20
"""How often a store looks again when segments vanish while it reads; once is enough, as a rule."""


class Place(NamedTuple):
    """Where a record lies: the number of its segment, and where there."""

    segment: int
    length: int
    offset: int


class Record(NamedTuple):
    """A record that was read back whole."""

    segment: Path
    offset: int
    header: Header
    completion: Completion


class _Table:
    """Key prefix -> places, 24 bytes a record: sorted arrays, and a dict of the newest ones.

    One thread may add while others find, without a lock.
    """

    def __init__(self, segments: Sequence[Path]) -> None:
        self.segments = list(segments)
        keys, places = [np.empty(0, "<u8")], [np.empty(0, _PLACE)]
        for number, segment in enumerate(self.segments):
            found = entries(segment)
            place = np.empty(len(found), _PLACE)
            place["segment"] = number
            place["length"], place["offset"] = found["length"], found["offset"]
            keys.append(found["key"])
            places.append(place)
        all_keys = np.concatenate(keys)
        order = np.argsort(all_keys, kind="stable")
        self._sorted = all_keys[order], np.concatenate(places)[order]
        self._recent: dict[int, list[Place]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._sorted[0]) + self._count

    def add(self, key: int, place: Place) -> None:
        self._recent.setdefault(key, []).append(place)
        self._count += 1
        if self._count >= _RECENT:
            self._merge()

    def find(self, key: int) -> list[Place]:
        # The dict first: `_merge` empties it last, so nothing is missed (seen twice does no harm).
        found = [*self._recent.get(key, ())]
        keys, places = self._sorted
        # Not numpy's search: it lets go of Python's lock and has to wait for it (measured in a busy
        # run: 0.7 ms a look-up, 2 us this way).
        at = bisect_left(keys.data, key)
        while at < len(keys) and keys[at] == key:
            found.append(Place(*places[at].item()))
            at += 1
        return found

    def repeated(self) -> np.ndarray:
        """The prefixes that more than one record has, sorted."""
        self._merge()
        keys = self._sorted[0]
        return np.unique(keys[1:][keys[1:] == keys[:-1]])

    def _merge(self) -> None:
        new = [(key, place) for key, places in self._recent.items() for place in places]
        new.sort()
        keys, places = self._sorted
        # Inserted, not sorted anew: 20 ms instead of 100 ms for a million, in which nothing moves.
        new_keys = np.array([key for key, _ in new], "<u8")
        at = keys.searchsorted(new_keys, side="right")
        self._sorted = (
            np.insert(keys, at, new_keys),
            np.insert(places, at, np.array([place for _, place in new], _PLACE)),
        )
        self._recent, self._count = {}, 0


class Store:
    """Completions by what determines them, in a folder that is made by the first `put`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damaged = 0
        """Records that were found but could not be read back whole, so far."""
        self._writing = threading.RLock()
        self._reading = threading.Lock()
        self._files: OrderedDict[Path, int] = OrderedDict()
        self._writer: SegmentWriter | None = None
        self._number = -1
        self._table = self._look()

    def _look(self) -> _Table:
        """Where every record lies, now."""
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(
                f"the sample store {self.path} is a file where a folder should be;"
                " move it away or choose another with store=FOLDER"
            )
        segments = sorted(self.path.glob("*.records"))
        for _ in range(_LOOKS):
            # A listing during compaction may miss both what goes and what comes. Not one that has
            # all of the one before it, as what comes is there before anything goes.
            before, segments = segments, sorted(self.path.glob("*.records"))
            if not set(before) <= set(segments):
                continue
            try:
                return _Table(segments)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._cannot("read", error.strerror) from None
        raise self._cannot("read", "its segments keep changing")

    def _cannot(self, what: str, why: str | None) -> StoreError:
        return StoreError(
            f"cannot {what} the sample store {self.path}: {why}; choose another with store=FOLDER"
        )

    def __len__(self) -> int:
        """How many completions there are."""
        return len(self._table)

    def get(self, request: Request, rules: frozenset[str] = frozenset()) -> Completion | None:
        """What `request` would get, or None when it must be asked for; `rules` may cut answers.

        Of several records the one with the smallest content hash counts, so the order of writing
        does not.
        """
        found = [
            (record.header.content, record.completion)
            for record in self.records(bytes.fromhex(request.key))
            if record.completion.serves(request, rules)
        ]
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def put(self, request: Request, completion: Completion) -> None:
        """Keeps a completion; when this returns, killing the process does not lose it."""
        key = bytes.fromhex(request.key)
        payload = _payload(request, completion)
        with self._writing:
            if any(known.completion == completion for known in self.records(key)):
                return
            writer = self.prepare()
            try:
                entry = writer.append(key, payload)
            except StoreError:
                writer.close()
                self._writer = None
                raise
            self._table.add(prefix(key), Place(self._number, entry.length, entry.offset))

    def prepare(self) -> SegmentWriter:
        """Opens the segment to write to, so that a folder that cannot be is known beforehand."""
        with self._writing:
            if self._writer is not None and self._writer.is_gone():
                self._writer.close()
                self._writer = None
            if self._writer is None:
                self._writer = SegmentWriter(self.path)
                self._number = len(self._table.segments)
                self._table.segments.append(self._writer.path)
            return self._writer

    def records(self, key: bytes) -> list[Record]:
        """Every record of a key, in no particular order."""
        return [record for record in self.alike(prefix(key)) if record.header.key == key]

    def alike(self, number: int) -> list[Record]:
        """Every record whose key begins with these 8 bytes, in no particular order."""
        for _ in range(_LOOKS):
            table = self._table
            places = table.find(number)
            try:
                found = [self._read(table.segments[place.segment], place) for place in places]
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ESTALE):
                    raise
                self._look_again()
                continue
            return [record for record in found if record]
        raise self._cannot("read", "its segments keep changing")

    def repeated(self) -> np.ndarray:
        """The first 8 bytes, as numbers, of the keys that more than one record has, sorted."""
        return self._table.repeated()

    def remember(self, url: str, model: str) -> None:
        """Notes which model an endpoint serves, for the replay when nothing answers there."""
        path = self._endpoint(url)
        part = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({"url": url, "model": model}), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise self._cannot("write to", error.strerror) from None

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
        with self._writing:
            self._forget_files()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _look_again(self) -> None:
        """Compaction has replaced segments: their records are in others now."""
        with self._writing:
            self._forget_files()
            self._table = self._look()
            if self._writer is not None and self._writer.path in self._table.segments:
                self._number = self._table.segments.index(self._writer.path)

    def _read(self, segment: Path, place: Place) -> Record | None:
        with self._reading:
            file = self._open(segment)
            data = os.pread(file, HEADER_BYTES + place.length, place.offset)
        header = unpack_header(data)
        payload = header and unpack_payload(header, data[HEADER_BYTES:])
        if header is None or payload is None:
            self.damaged += 1
            return None
        return Record(segment, place.offset, header, unpack_completion(payload)[0])

    def _open(self, segment: Path) -> int:
        """A descriptor of a segment; the least recently used is closed when there are too many."""
        if segment in self._files:
            self._files.move_to_end(segment)
            return self._files[segment]
        if len(self._files) >= _OPEN_FILES:
            os.close(self._files.popitem(last=False)[1])
        self._files[segment] = os.open(segment, os.O_RDONLY | os.O_CLOEXEC)
        return self._files[segment]

    def _forget_files(self) -> None:
        with self._reading:
            while self._files:
                os.close(self._files.popitem()[1])

    def _endpoint(self, url: str) -> Path:
        return self.path / "endpoints" / f"{digest(url)[:16]}.json"


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _payload(request: Request, completion: Completion) -> bytes:
    """What is stored: the completion, and for its reader what was asked of whom."""
    values = {name: value for name, value in vars(completion).items() if value is not None}
    values["asked"] = {
        "model": request.model,
        "revision": request.revision,
        "kind": request.kind,
        "seed": request.seed,
    }
    try:
        return orjson.dumps(values)
    except TypeError:  # half a surrogate pair, which a model may well say and UTF-8 cannot
        return _encode(values).encode("utf-8", "surrogatepass")


def unpack_completion(payload: bytes) -> tuple[Completion, dict[str, Any]]:
    """A completion, and what was asked of whom: `model`, `revision`, `kind` (old records
    lack it) and `seed`.
    """
    try:
        values: dict[str, Any] = orjson.loads(payload)
    except orjson.JSONDecodeError:
        values = json.loads(payload.decode("utf-8", "surrogatepass"))
    asked = values.pop("asked")
    return Completion(**{"prompt_tokens": None, "completion_tokens": None, **values}), asked
