"""What a line of the journal is, and how lines hang together (docs/spec/journal.md).

A line is canonical JSON and a newline. `previous` is SHA-256 of the line before it, without
its newline; `number` counts from zero through all files of a chain. A line of kind `token`
holds the very TSTInfo that is signed, in hexadecimal, so that a serial or a hash can be looked
for with grep; a line of kind `opened` says that a process took the chain up.

Pure but for `files_of` and `lines_of`, which read.
"""

import re
from binascii import hexlify
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from guzheng.proof import canonical, instant
from guzheng.proof.errors import ProofError

BEGINNING = b"0" * 64  # `previous` of the first line of a chain
OWN = "own"  # the client of a token that the platform asked for itself
MAX_LINE_OCTETS = 8192
_CHAIN = re.compile(r"\d{3}", re.ASCII)
_FILE = re.compile(r"(\d{12})\.jsonl", re.ASCII)
# The one spelling of a token's line: what `canonical.encode` makes of these members.
_TOKEN = re.compile(
    rb'\{"client":"([0-9a-z:.]{0,64})","kind":"token","number":(0|[1-9]\d{0,14}),'
    rb'"previous":"([0-9a-f]{64})","signer":"([0-9a-f]{16})","tst_info":"((?:[0-9a-f]{2})+)"\}'
)


class Line(NamedTuple):
    """What every line says, and its own digest, which the next one must repeat."""

    number: int
    previous: bytes
    kind: str
    digest: bytes


class Torn(NamedTuple):
    """Octets after the last newline: the process died while it wrote. No token was sent."""

    file: str
    octets: int


def token_line(
    number: int, previous: bytes, client: bytes, signer: bytes, tst_info_der: bytes
) -> bytes:
    """Spelled by hand, since it is made for every token; `canonical.encode` gives the same."""
    return (
        b'{"client":"%b","kind":"token","number":%d,"previous":"%b","signer":"%b","tst_info":"%b"}'
        % (
            client,
            number,
            previous,
            signer,
            hexlify(tst_info_der),
        )
    )


def opened_line(
    number: int, previous: bytes, *, chain: str, at: datetime, dropped_octets: int
) -> bytes:
    """`dropped_octets`: how long the torn end was that the process before left, usually 0."""
    return canonical.encode(
        {
            "chain": chain,
            "dropped_octets": dropped_octets,
            "kind": "opened",
            "number": number,
            "observed_at": instant.encode(at),
            "previous": previous.decode("ascii"),
            "version": 1,
        }
    )


def digest_of(line: bytes) -> bytes:
    return hexlify(sha256(line).digest())


def parse(line: bytes) -> Line | None:
    """A line without its newline; None for octets that are no line of a journal."""
    token = _TOKEN.fullmatch(line)
    if token:
        return Line(int(token[2]), token[3], "token", digest_of(line))
    if len(line) > MAX_LINE_OCTETS:
        return None
    try:
        members = canonical.parse_object(line)
    except ProofError:
        return None
    number, previous, kind = (members.get(one) for one in ("number", "previous", "kind"))
    if type(number) is not int or type(previous) is not str or kind != "opened":
        return None
    return Line(number, previous.encode("ascii", "replace"), kind, digest_of(line))


def chains_in(folder: Path) -> list[str]:
    """The names of the chains, in order."""
    if not folder.is_dir():
        return []
    return sorted(one.name for one in folder.iterdir() if _CHAIN.fullmatch(one.name))


def files_of(folder: Path, chain: str) -> list[Path]:
    """The files of a chain in the order in which they were written."""
    place = folder / chain
    if not place.is_dir():
        return []
    return sorted(one for one in place.iterdir() if _FILE.fullmatch(one.name))


def file_name(first_number: int) -> str:
    return f"{first_number:012d}.jsonl"


def lines_of(file: Path) -> Iterator[bytes]:
    """Each line without its newline; octets after the last newline come as they are, last,
    and are told apart by the `Torn` that `torn_end` gives for the file."""
    with file.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield line[:-1]


def torn_end(file: Path) -> Torn | None:
    """What stands after the last newline, if anything."""
    octets = 0
    with file.open("rb") as stream:
        end = stream.seek(0, 2)
        while octets < end:
            size = min(MAX_LINE_OCTETS, end - octets)
            stream.seek(end - octets - size)
            found = stream.read(size).rfind(b"\n")
            if found >= 0:
                octets += size - found - 1
                break
            octets += size
    return Torn(file.name, octets) if octets else None


def last_line(file: Path) -> bytes | None:
    """The last whole line, without its newline; None where there is none."""
    torn = torn_end(file)
    with file.open("rb") as stream:
        end = stream.seek(0, 2) - (torn.octets if torn else 0)
        stream.seek(max(0, end - MAX_LINE_OCTETS - 1))
        lines = stream.read(end - stream.tell()).split(b"\n")
    return lines[-2] if len(lines) > 1 else None
