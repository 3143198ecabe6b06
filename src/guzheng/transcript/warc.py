"""The archive in page.wacz, read record by record: WARC 1.1 (ISO 28500), gzip members.

Each record is found by its offset and length in the file, and its digests are made again: what
WARC says of itself is compared with the octets, not believed.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from guzheng.proof.digest import Digest
from guzheng.proof.errors import DigestMismatch, Malformed
from guzheng.transcript import limits
from guzheng.transcript.container import opened_zip, stored_member

_PART = 1 << 20
_ARCHIVE = re.compile(r"archive/[A-Za-z0-9._-]{1,100}\.warc\.gz")
_STATUS = re.compile(rb"HTTP/[0-9.]{1,3} ([0-9]{3})(?: |\r|$)")
_REQUEST = re.compile(rb"([!-~]{1,40}) (\S+) HTTP/")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its place, and what it holds. `digest` is of the body alone."""

    file: str
    offset: int
    length: int
    identity: str
    kind: str
    url: str
    concurrent_to: str
    truncated: str
    start: bytes  # the first line of HTTP
    block: Digest
    digest: Digest
    size: int

    @property
    def status(self) -> int:
        form = _STATUS.match(self.start)
        return int(form[1]) if form else 0

    @property
    def method(self) -> str:
        form = _REQUEST.match(self.start)
        return form[1].decode("ascii") if form else ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A request and its answer, as the archive has them."""

    request: Record
    response: Record


def pairs_in(stream: BinaryIO) -> list[Pair]:
    """In the order of the archive. An answer without a request is malformed."""
    archive = opened_zip(stream, limits.ARCHIVE_MEMBERS)
    names = [one for one in archive.namelist() if one.startswith("archive/")]
    answers: dict[str, Record] = {}
    requests: dict[str, Record] = {}
    total = 0
    for name in names:
        if not _ARCHIVE.fullmatch(name):
            raise Malformed("transcript.archive-malformed", "archive/….warc.gz", name[:100])
        for record in _records(archive, stream, name):
            total += 1
            if total > limits.WARC_RECORDS:
                wanted = f"at most {limits.WARC_RECORDS} records"
                raise Malformed("transcript.archive-malformed", wanted, "more")
            table, key = answers, record.identity
            if record.kind == "request":
                table, key = requests, record.concurrent_to
            elif record.kind != "response":
                continue
            if key in table:
                raise Malformed("transcript.archive-malformed", "each record once", key[:100])
            table[key] = record
    if odd := answers.keys() ^ requests.keys():
        wanted = "a request for each answer"
        raise Malformed("transcript.archive-malformed", wanted, min(odd)[:100])
    return [Pair(requests[key], answer) for key, answer in answers.items()]


def _records(archive: zipfile.ZipFile, stream: BinaryIO, name: str) -> Iterator[Record]:
    with stored_member(archive, stream, name) as file:
        members = _Members(file)
        while (member := members.next()) is not None:
            offset, length, octets = member
            yield _record(name, offset, length, octets)


class _Members:
    """The gzip members of a file, one after another, each unpacked within bounds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = b""
        self._at = 0
        self._total = 0

    def next(self) -> tuple[int, int, bytes] | None:
        self._buffer = self._buffer or self._file.read(_PART)
        if not self._buffer:
            return None
        unpacker = zlib.decompressobj(31)
        start, parts = self._at, bytearray()
        try:
            while not unpacker.eof:
                part = self._buffer or self._file.read(_PART)
                if not part:
                    raise EOFError("cut off")
                parts += unpacker.decompress(part, _PART)
                self._buffer = unpacker.unused_data or unpacker.unconsumed_tail
                self._at += len(part) - len(self._buffer)
                if len(parts) > limits.WARC_BLOCK_OCTETS:
                    raise EOFError("a record that is too large")
        except (zlib.error, EOFError) as error:
            wanted = f"a gzip member at octet {start}"
            raise Malformed("transcript.archive-malformed", wanted, str(error)[:80]) from error
        self._total += len(parts)
        if self._total > limits.WARC_TOTAL_OCTETS:
            wanted = f"at most {limits.WARC_TOTAL_OCTETS} octets"
            raise Malformed("transcript.archive-malformed", wanted, "more")
        return start, self._at - start, bytes(parts)


def _record(file: str, offset: int, length: int, octets: bytes) -> Record:
    where = f"{file} at octet {offset}"
    head, gap, rest = octets.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    if not gap or lines[0] not in ("WARC/1.1", "WARC/1.0"):
        raise Malformed("transcript.archive-malformed", "WARC/1.1", where)
    fields = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in lines[1:])
        if colon
    }
    size = fields.get("content-length", "")
    if not size.isascii() or not size.isdecimal() or rest[int(size) :] != b"\r\n\r\n":
        raise Malformed("transcript.archive-malformed", "a block of its length", where)
    block = rest[: int(size)]
    start, _, _ = block.partition(b"\r\n")
    payload = block.partition(b"\r\n\r\n")[2]
    found = Digest("sha256", hashlib.sha256(block).digest())
    body = Digest("sha256", hashlib.sha256(payload).digest())
    for name, digest in (("warc-block-digest", found), ("warc-payload-digest", body)):
        if fields.get(name, str(digest)) != str(digest):
            raise DigestMismatch(
                "transcript.archive-altered", fields[name], f"{digest} {where}"
            )
    return Record(
        file=file,
        offset=offset,
        length=length,
        identity=fields.get("warc-record-id", ""),
        kind=fields.get("warc-type", ""),
        url=fields.get("warc-target-uri", ""),
        concurrent_to=fields.get("warc-concurrent-to", ""),
        truncated=fields.get("warc-truncated", ""),
        start=start[:8192],
        block=found,
        digest=body,
        size=len(payload),
    )
