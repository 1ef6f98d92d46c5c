"""Rows as numbers: a 64-bit hash of every cell, whatever its type, to compare millions of them.

A row of samples takes 23 to 33 µs (python -m benchmarks.difference).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.select.tokens import mixed

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = NDArray[np.uint64]

NULL = np.uint64(0x9E3779B97F4A7C15)
STEP = np.uint64(0xD1B54A32D192ED03)
"""Odd numbers without a pattern: fractions of the golden ratio and of its plastic cousin."""

SHORT = 64
"""Bytes, on average: shorter texts are looked at for repetitions first, such as sources."""


def cell_hashes(batch: pa.RecordBatch, columns: Sequence[str]) -> NDArray[np.uint64]:
    """One row of hashes for each row; a column that the batch does not have counts as null."""
    found = np.full((batch.num_rows, len(columns)), NULL, np.uint64)
    for i, name in enumerate(columns):
        if name in batch.schema.names:
            found[:, i] = hashes(batch.column(name))
    return found


def hashes(array: pa.Array) -> Hashes:
    """The hash of each value: equal values have one hash, in whatever order their rows come.

    >>> import pyarrow as pa
    >>> a, b, c, d = hashes(pa.array([["x", "y"], ["y", "x"], None, ["x", "y"]])).tolist()
    >>> a == d, len({a, b, c})
    (True, 3)
    """
    import pyarrow.compute as pc
    import pyarrow.types as types

    if array.null_count == len(array):
        return np.full(len(array), NULL, np.uint64)
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()  # type: ignore[attr-defined]
    kind = array.type
    if types.is_struct(kind):
        found = np.zeros(len(array), np.uint64)
        for field in array.flatten():  # type: ignore[attr-defined]
            found = mixed(found * STEP + hashes(field))
    elif types.is_list(kind) or types.is_large_list(kind):
        found = _of_lists(array)
    elif types.is_string(kind) or types.is_large_string(kind):
        found = _of_short_texts(array) if array.nbytes < SHORT * len(array) else _of_texts(array)
    elif types.is_floating(kind):
        found = _of_floats(pc.fill_null(array, 0))
    elif types.is_integer(kind) or types.is_boolean(kind):
        numbers = np.asarray(pc.fill_null(array, False if types.is_boolean(kind) else 0))
        found = mixed(numbers.astype(np.int64).view(np.uint64) + STEP)
    else:
        found = _of_others(array)
    if array.null_count:
        found[np.asarray(array.is_null())] = NULL
    return found


def text_hashes(texts: Sequence[str]) -> Hashes:
    """The hashes of texts, as `hashes` gives them."""
    from xxhash import xxh3_64_intdigest

    return np.fromiter(map(xxh3_64_intdigest, texts), np.uint64, len(texts))


def kind_of(type: pa.DataType) -> str:
    """The type of a column as it is compared: how Arrow lays it out in memory does not count.

    >>> import pyarrow as pa
    >>> kind_of(pa.large_list(pa.struct([("role", pa.large_string())])))
    'list<struct<role: string>>'
    """
    import pyarrow.types as types

    if types.is_dictionary(type):
        return kind_of(type.value_type)
    if types.is_list(type) or types.is_large_list(type):
        return f"list<{kind_of(type.value_type)}>"
    if types.is_struct(type):
        return f"struct<{', '.join(f'{f.name}: {kind_of(f.type)}' for f in type.fields)}>"
    return str(type).removeprefix("large_")


def _of_short_texts(array: Any) -> Hashes:
    """Of strings that may well repeat, such as sources and models: each is hashed once."""
    encoded = array.dictionary_encode()
    return _of_texts(encoded.dictionary)[np.asarray(encoded.indices.fill_null(0))]


def _of_texts(array: Any) -> Hashes:
    """Of strings, straight from the buffers: no Python text is made of them."""
    from xxhash import xxh3_64_intdigest

    wide = str(array.type).startswith("large_")
    _, offsets, data = array.buffers()
    width = np.int64 if wide else np.int32
    places = np.frombuffer(offsets, width, len(array) + 1, array.offset * width().itemsize)
    text = memoryview(data or b"")
    bounds = places.tolist()
    digests = (xxh3_64_intdigest(text[a:b]) for a, b in pairwise(bounds))
    return np.fromiter(digests, np.uint64, len(array))


def _of_floats(array: Any) -> Hashes:
    """-0.0 is 0.0, and every not-a-number is the same."""
    numbers = np.asarray(array).astype(np.float64) + 0.0
    numbers[np.isnan(numbers)] = np.nan
    return mixed(numbers.view(np.uint64) ^ STEP)


def _of_lists(array: Any) -> Hashes:
    """The sum of the elements' hashes, each mixed with its place."""
    sizes = np.asarray(array.value_lengths().fill_null(0)).astype(np.int64)
    ends = np.cumsum(sizes)
    places = np.arange(sizes.sum()) - np.repeat(ends - sizes, sizes)
    elements = mixed(hashes(array.flatten()) + places.astype(np.uint64) * STEP)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(elements, dtype=np.uint64)])
    return mixed(sums[ends] - sums[ends - sizes] + sizes.astype(np.uint64) * NULL)


def _of_others(array: Any) -> Hashes:
    """Dates, decimals, maps, …: by how they are written."""
    return text_hashes([repr(value) for value in array.to_pylist()])
