"""Tokens that the tests of this folder share, and pieces of DER to make bad ones of."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from guzheng.proof import policy, timestamp, verify
from guzheng.proof.policy import Trust
from guzheng.proof.report import Outcome, Report

VECTORS = Path(__file__).parents[1] / "vectors"
TIMESTAMPS = VECTORS / "timestamp"


@dataclass(frozen=True, slots=True)
class Pair:
    """A file, its token, and whom to believe."""

    octets: bytes
    token: bytes
    trust: Trust

    @property
    def hashes(self) -> Mapping[str, bytes]:
        names = ("sha256", "sha384", "sha512")
        return {name: hashlib.new(name, self.octets).digest() for name in names}

    def report(self, token: bytes | None = None) -> Report:
        return verify.verify_file(
            self.hashes, self.token if token is None else token, self.trust
        )


@cache
def pair(name: str) -> Pair:
    """One of tests/vectors/timestamp, by the name of its case."""
    index = json.loads((TIMESTAMPS / "cases.json").read_bytes())
    case = next(one for one in index["cases"] if one["name"] == name)
    found = Pair(
        (TIMESTAMPS / case["file"]).read_bytes(),
        (TIMESTAMPS / case["answer"]).read_bytes(),
        Trust(policy.parse_roots((TIMESTAMPS / index["roots"]).read_bytes())),
    )
    assert found.report().outcome is Outcome.PASSED
    return found


def signed_part(token: bytes) -> tuple[object, ...]:
    """Everything that the signature of a token speaks for, and the signature."""
    read = timestamp.parse(token)
    signed = read.signed
    signer = timestamp.require_signature(read)
    return (read.token_der, signed.attributes_encoded, signed.signature, signer)


@cache
def members(package: str) -> dict[str, bytes]:
    """A package of tests/vectors/package, by member."""
    with zipfile.ZipFile(VECTORS / "package" / f"{package}.zip") as archive:
        return {one.filename: archive.read(one) for one in archive.infolist()}


@cache
def papers(package: str) -> dict[str, bytes]:
    """The papers and items of its one exhibit, by their names in its folder."""
    (folder,) = {
        name.removesuffix("leaf") for name in members(package) if name.endswith("/leaf")
    }
    return {
        name.removeprefix(folder): octets
        for name, octets in members(package).items()
        if name.startswith(folder)
    }


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element of DER."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    width = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + size.to_bytes(width, "big") + content
