"""A second opinion, written from docs/spec alone: nothing of guzheng is imported here.

Manifest, leaf, tree and checkpoint of a package, with hashlib, json and an Ed25519 of another
make; what it accepts and refuses must be what `guzheng-verify` accepts and refuses.
"""

import base64
import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FOLDER = Path(__file__).parents[1] / "vectors" / "package"
CASES = json.loads((FOLDER / "cases.json").read_bytes())["cases"]
# Codes of what this opinion looks at; packages that fail for other reasons only must pass it.
MINE = {
    "leaf.differs", "tree.not-included", "item.altered", "package.member-altered",
    "package.member-missing", "package.member-extra", "package.listing-malformed",
    "note.unknown-key", "exhibit.folder-differs", "canonical.other-spelling",
}  # fmt: skip


class Wrong(Exception):
    """What the second opinion finds."""


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Wrong(what)


def sha256(octets: bytes) -> bytes:
    return hashlib.sha256(octets).digest()


def sm3(octets: bytes) -> bytes:
    hasher = hashes.Hash(hashes.SM3())
    hasher.update(octets)
    return hasher.finalize()


def opinion(members: dict[str, bytes], policy: bytes) -> None:
    check_listing(members)
    exhibits = {name.split("/")[1] for name in members if name.startswith("exhibits/")}
    require(bool(exhibits), "no exhibit")
    for exhibit in exhibits:
        folder = f"exhibits/{exhibit}/"
        papers = {
            name.removeprefix(folder): octets
            for name, octets in members.items()
            if name.startswith(folder)
        }
        check_manifest(papers, exhibit)
        check_ledger(papers, policy)


def check_listing(members: dict[str, bytes]) -> None:
    """docs/spec/package.md §2, §3."""
    lines = [
        f"{hashlib.sha256(octets).hexdigest()}  {name}\n"
        for name, octets in sorted(members.items())
        if name != "SHA256SUMS"
    ]
    require("".join(lines).encode() == members.get("SHA256SUMS"), "listing")
    outer = {name for name in members if not name.startswith("exhibits/")}
    wanted = {"VERIFY.md", "SHA256SUMS", "trust/roots.pem", "trust/ledger.policy"}
    require(outer == wanted, "members")


def check_manifest(papers: dict[str, bytes], exhibit: str) -> None:
    """docs/spec/manifest.md §2, §4. Keys are ASCII here, so sorting them is RFC 8785."""
    octets = papers["manifest.json"]
    manifest = json.loads(octets)
    spelled = json.dumps(manifest, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    require(spelled.encode() == octets, "spelling")
    require(manifest["exhibit"] == exhibit, "folder")
    for item in manifest["items"]:
        kept = papers.get(f"items/{item['name']}")
        require((kept is None) == (manifest["kind"] == "hash-only"), "items")
        if kept is not None:
            digests = [f"sha256:{sha256(kept).hex()}", f"sm3:{sm3(kept).hex()}"]
            require((item["size"], item["digests"]) == (len(kept), digests), "item")


def check_ledger(papers: dict[str, bytes], policy: bytes) -> None:
    """docs/spec/leaf.md; RFC 6962 §2.1.1; C2SP tlog-proof, tlog-checkpoint, signed-note."""
    manifest = papers["manifest.json"]
    leaf = b"guzheng/leaf/v1\n" + sha256(
        b"guzheng/commitment/v1\n"
        + bytes.fromhex(json.loads(manifest)["salt"])
        + sha256(manifest)
        + sm3(manifest)
        + sha256(papers["seal.tsa"])
    )
    require(leaf == papers["leaf"], "leaf")
    head, text, signatures = papers["entry.tlog-proof"].split(b"\n\n")
    lines = head.decode().split("\n")
    require(lines[0] == "c2sp.org/tlog-proof@v1", "proof")
    index = int(lines[1].removeprefix("index "))
    path = [base64.b64decode(one) for one in lines[2:]]
    origin, size, root = text.decode().split("\n")[:3]
    found = root_from(sha256(b"\0" + leaf), index, int(size), path)
    require(found == base64.b64decode(root), "inclusion")
    check_signature(text + b"\n", signatures.decode(), origin, policy.decode())


def root_from(leaf_hash: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Recursively, as RFC 6962 §2.1.1 defines the audit path; the last hash is the topmost."""
    require(index < size, "index")
    if size == 1:
        require(not path, "path too long")
        return leaf_hash
    require(bool(path), "path too short")
    left = 1
    while left * 2 < size:
        left *= 2
    if index < left:
        return sha256(b"\1" + root_from(leaf_hash, index, left, path[:-1]) + path[-1])
    below = root_from(leaf_hash, index - left, size - left, path[:-1])
    return sha256(b"\1" + path[-1] + below)


def check_signature(text: bytes, signatures: str, origin: str, policy: str) -> None:
    vkeys = [line.split(" ")[1] for line in policy.splitlines() if line.startswith("log ")]
    keys = [vkey.split("+", 2) for vkey in vkeys]  # of one log: Ed25519, perhaps another kind
    own = [one for one in keys if base64.b64decode(one[2])[:1] == b"\x01"]
    require(len(own) == 1, "kind of key")
    name, key_id, encoded = own[0]
    key = base64.b64decode(encoded)
    require(name == origin, "origin")
    require(sha256(name.encode() + b"\n" + key)[:4].hex() == key_id, "key id")
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        signed = base64.b64decode(blob)
        if (dash, signer, signed[:4].hex()) == ("—", name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(key[1:]).verify(signed[4:], text)
            except InvalidSignature:
                raise Wrong("signature") from None
            return
    raise Wrong("signer")


def is_readable(package: str) -> bool:
    return zipfile.is_zipfile(FOLDER / package)


READABLE = [
    case
    for case in CASES
    if is_readable(case["package"])
    and not {"item.name-refused", "package.zip-bomb", "package.member-twice"}
    & set(case["codes"])
]


@pytest.mark.parametrize("case", READABLE, ids=[case["name"] for case in READABLE])
def test_it_finds_what_guzheng_verify_finds(case: dict[str, str]) -> None:
    with zipfile.ZipFile(FOLDER / case["package"]) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    policy = (FOLDER / case["policy"]).read_bytes() if case["policy"] else b""
    policy = policy or members["trust/ledger.policy"]
    if MINE & set(case["codes"]):
        with pytest.raises((Wrong, KeyError)):
            opinion(members, policy)
    else:
        opinion(members, policy)
