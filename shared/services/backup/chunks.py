"""Chunks: rows as compressed objects, named by what is in them.

Invariant: what is read back are the rows that were written, or an error: the bytes are held against
the manifest's checksum, the lines against the chunk's name.
"""

import asyncio
import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath

from pydantic_core import to_json

from shared.domain.backup import Chunk
from shared.errors import AlreadyExists, CorruptData, NotFound
from shared.ports import ArchiveRow, Blobs

ROWS = 20_000
"""Rows in a chunk, at most."""

SIZE_BYTES = 8_000_000
"""Bytes of its lines, about, at most: what is held in memory while it is made."""

FOLDER = "chunks/"

_LEVEL = 6
_decoder = json.JSONDecoder()


def chunk_key(lines_sha256: str) -> str:
    """Returns where a chunk is."""
    return f"{FOLDER}{lines_sha256[:2]}/{lines_sha256}.jsonl.gz"


def name_of(key: str) -> str:
    """Returns the SHA-256 that the chunk at `key` is named by."""
    return PurePosixPath(key).name.removesuffix(".jsonl.gz")


def lines_of(rows: Sequence[ArchiveRow]) -> bytes:
    """Returns rows as lines."""
    return b"".join(b"[%b,%b]\n" % (to_json(row.key), row.doc.encode()) for row in rows)


def line_sha256(row: ArchiveRow) -> str:
    """Returns what tells a row from others."""
    return hashlib.sha256(lines_of([row])).hexdigest()


def rows_of(lines: bytes) -> list[ArchiveRow]:
    """Returns the rows that `lines_of` wrote; their documents are the same text."""
    return [_row(line) for line in lines.decode().split("\n")[:-1]]


async def keep_chunk(place: Blobs, rows: Sequence[ArchiveRow], last: str) -> Chunk:
    """Writes rows (one at least) and returns their chunk.

    One that is there, and whole, is not written again.
    """
    lines, data = await asyncio.to_thread(_packed, rows)
    lines_sha256 = hashlib.sha256(lines).hexdigest()
    key = chunk_key(lines_sha256)
    try:
        await place.put(key, data, if_generation=0)
    except AlreadyExists:
        there = await _there(place, key, lines_sha256)
        if there is None:
            await place.put(key, data, if_generation=None)
        data = there or data
    return Chunk(
        lines_sha256=lines_sha256,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=len(rows),
        size_bytes=len(data),
        last=last,
        last_line_sha256=line_sha256(rows[-1]),
    )


async def read_chunk(place: Blobs, chunk: Chunk) -> list[ArchiveRow]:
    """Returns the rows of a chunk.

    Raises:
        CorruptData: it is gone, or not what the manifest says.
    """
    key = chunk_key(chunk.lines_sha256)
    try:
        data = (await place.get(key)).data
    except NotFound as error:
        raise CorruptData(f"the backup lacks its object {key}") from error
    if hashlib.sha256(data).hexdigest() != chunk.sha256:
        raise CorruptData(f"the object {key} is not the one that was written")
    lines = await asyncio.to_thread(_unpacked, data)
    if lines is None or hashlib.sha256(lines).hexdigest() != chunk.lines_sha256:
        raise CorruptData(f"the object {key} does not hold what its name says")
    rows = await asyncio.to_thread(rows_of, lines)
    if len(rows) != chunk.rows:
        raise CorruptData(f"the object {key} has {len(rows)} rows, not {chunk.rows}")
    return rows


async def _there(place: Blobs, key: str, lines_sha256: str) -> bytes | None:
    """Returns the bytes of an object that holds these lines; None where it is damaged."""
    try:
        data = (await place.get(key)).data
    except (NotFound, CorruptData):
        return None
    lines = await asyncio.to_thread(_unpacked, data)
    whole = lines is not None and hashlib.sha256(lines).hexdigest() == lines_sha256
    return data if whole else None


def _packed(rows: Sequence[ArchiveRow]) -> tuple[bytes, bytes]:
    lines = lines_of(rows)
    return lines, gzip.compress(lines, _LEVEL, mtime=0)


def _unpacked(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


def _row(line: str) -> ArchiveRow:
    key, end = _decoder.raw_decode(line, 1)
    return ArchiveRow(key, line[end + 1 : -1])
