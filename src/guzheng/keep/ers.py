"""Evidence records written by hand: hash trees, their reduced trees, and the DER (RFC 4998).

Only writing; `proof.renewal` reads, and shares no line with this module, so that a mistake made
here is not made again there. The few encodings a record needs are written here and not taken
from `fix`, which is another station: twelve lines cost less than a bond between the two.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

_INTEGER_1 = b"\x02\x01\x01"
_OCTET_STRING, _SEQUENCE, _ALGORITHM, _LISTS = 0x04, 0x30, 0xA0, 0xA2
# The content of an AlgorithmIdentifier, parameters absent: RFC 5754 §2.
_ALGORITHMS = {
    "sha256": bytes.fromhex("0609608648016503040201"),
    "sha512": bytes.fromhex("0609608648016503040203"),
}

Lists = tuple[tuple[bytes, ...], ...]  # a reduced hash tree
Chains = Sequence[tuple[str, Sequence[bytes]]]  # the name of the hash, the stamps; oldest first


def hash_of(name: str, *parts: bytes) -> bytes:
    return hashlib.new(name, b"".join(parts)).digest()


def hasher(name: str) -> "hashlib._Hash":
    return hashlib.new(name)


def group_hash(name: str, hashes: Iterable[bytes]) -> bytes:
    """What stands for several documents: their hashes, ascending, hashed (RFC 4998 §4.2.1)."""
    return hash_of(name, *sorted(set(hashes)))


def tree_over(name: str, leaves: Iterable[bytes]) -> tuple[bytes, Mapping[bytes, Lists]]:
    """The root of a binary tree, and for each leaf the siblings on its way up."""
    level = sorted(set(leaves))
    paths: dict[bytes, list[tuple[bytes, ...]]] = {leaf: [] for leaf in level}
    below = [[leaf] for leaf in level]  # the leaves under each node
    while len(level) > 1:
        nodes, under = [], []
        for at in range(0, len(level), 2):
            pair, leaves_of = level[at : at + 2], below[at : at + 2]
            if len(pair) == 2:
                for leaf in leaves_of[0]:
                    paths[leaf].append((pair[1],))
                for leaf in leaves_of[1]:
                    paths[leaf].append((pair[0],))
                nodes.append(group_hash(name, pair))
            else:
                nodes += pair  # the odd one goes up as it is
            under.append([leaf for part in leaves_of for leaf in part])
        level, below = nodes, under
    return level[0], {leaf: tuple(path) for leaf, path in paths.items()}


def lists_of_group(hashes: Iterable[bytes], path: Lists) -> Lists:
    """The reduced tree of a group: its own hashes first."""
    return (tuple(sorted(set(hashes))), *path)


def lists_of_one(leaf: bytes, path: Lists) -> Lists:
    """That of one document: its hash stands with its siblings; none when it is all there is."""
    if not path:
        return ()
    return (tuple(sorted({leaf, *path[0]})), *path[1:])


def archive_timestamp(name: str, lists: Lists, token_der: bytes) -> bytes:
    tree = b"".join(
        _tlv(_SEQUENCE, b"".join(_tlv(_OCTET_STRING, one) for one in hashes))
        for hashes in lists
    )
    reduced = _tlv(_LISTS, tree) if lists else b""
    return _tlv(_SEQUENCE, _tlv(_ALGORITHM, _ALGORITHMS[name]) + reduced + token_der)


def sequence_of_chains(chains: Chains) -> bytes:
    """ArchiveTimeStampSequence; what a hash-tree renewal hashes with each document (§5.2)."""
    return _sequence(_sequence(stamps) for _, stamps in chains)


def evidence_record(chains: Chains) -> bytes:
    names = dict.fromkeys(name for name, _ in chains)
    algorithms = _sequence(_tlv(_SEQUENCE, _ALGORITHMS[name]) for name in names)
    return _tlv(_SEQUENCE, _INTEGER_1 + algorithms + sequence_of_chains(chains))


def _sequence(parts: Iterable[bytes]) -> bytes:
    return _tlv(_SEQUENCE, b"".join(parts))


def request(name: str, hashed: bytes, nonce: int) -> bytes:
    """TimeStampReq over a hash of any of the names (RFC 3161 §2.4.1), certificates wanted."""
    imprint = _sequence([_tlv(_SEQUENCE, _ALGORITHMS[name]), _tlv(_OCTET_STRING, hashed)])
    number = _tlv(0x02, nonce.to_bytes(nonce.bit_length() // 8 + 1, "big"))
    return _sequence([_INTEGER_1, imprint, number, b"\x01\x01\xff"])


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content
