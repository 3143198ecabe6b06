"""Two checkpoints become one file that proves, or fails to prove, that a log forked.

Whoever holds two checkpoints of one log, from its page, a witness, a mirror or a paper
`entry.tlog-proof`, may ask. For trees of two sizes the tiles of the larger one are read, from
the log or from any copy of it: they need not be believed, since only what makes the signed
root proves anything. Nothing is written that the judge in proof.fork does not pass.
"""

from collections.abc import Iterable
from pathlib import Path

from guzheng.ledger.fetching import Place
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.fork import Fork, fork_between
from guzheng.proof.note import Note, VerifierKey
from guzheng.proof.tiles import Reader, Tile
from guzheng.proof.tlogproof import HEADER, TlogProof
from guzheng.refusals import Refused, Unavailable


def prove_fork(one: bytes, other: bytes, keys: Iterable[VerifierKey], tiles: str) -> Fork:
    """`tiles`: the prefix of the log or of a copy, or a folder with the same names."""
    try:
        fork = fork_between(_note(one), _note(other), _reader(tiles))
        fork.require_proved(keys)
    except ProofError as error:
        raise Refused(
            "ledger.no-fork",
            expected=error.expected,
            found=f"{error.code}: {error.found}",
            act="give two checkpoints that the log signed, and where its tiles are",
        ) from error
    return fork


def _note(octets: bytes) -> Note:
    if octets.startswith(HEADER.encode()):
        return TlogProof.parse(octets).note
    return Note.parse(octets)


def _reader(tiles: str) -> Reader:
    if tiles.startswith(("http://", "https://")):
        return Place(tiles, timeout_seconds=30).tile

    def read(tile: Tile) -> bytes:
        if not tiles:
            raise Malformed("fork.malformed", "--tiles, since the sizes differ", "none")
        for name in (tile, Tile(tile.level, tile.index)):
            path = Path(tiles) / str(name)
            if path.is_file():
                return path.read_bytes()[: tile.width * 32]
        raise Unavailable("ledger.not-found", expected=str(tile), found=f"not in {tiles}")

    return read
