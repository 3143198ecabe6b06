"""Finds every damaged, missing or extra byte of the ledger, and names it.

Grows the whole tree again from the table, comparing every tile and bundle on the way, and at
the end the root with the one that was signed. When table and tiles differ, the tiles and
bundles that agree with each other are believed for the rest of the way, so that one wrong row
is one finding; whether that was right is decided by the signed root. Then looks at every file
that is there. Memory stays constant; nothing is changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from guzheng.ledger.edge import Edge
from guzheng.ledger.ledger import BATCH, CHECKPOINT, Ledger
from guzheng.proof import tiles, tree
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note, require_checkpoint
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile
from guzheng.store.blobs import NotKept, UnsafeName

MEMORY = "the checkpoint signed last"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it must be: its name, a stable code, and the difference."""

    name: str
    code: str
    expected: str = ""
    found: str = ""


def fsck(ledger: Ledger) -> Iterator[Damage]:
    """Everything that is wrong, in the order of the tree; nothing means all is well."""
    signed, damage = _signed(ledger)
    yield from damage
    size = signed.size if signed else 0
    sequenced = ledger.entries.size()
    if sequenced < size:
        yield Damage(ledger.table, "ledger.missing", f"{size} entries", str(sequenced))
    edge = Edge()
    yield from _compare_groups(ledger, edge, size)
    if signed and edge.root() != signed.root:
        published = ledger.folder + CHECKPOINT
        yield Damage(published, "ledger.damaged-root", signed.root.hex(), edge.root().hex())
    yield from _look_at_names(ledger, size, sequenced)


def _signed(ledger: Ledger) -> tuple[Checkpoint | None, list[Damage]]:
    """The newest checkpoint that is truly signed, and what is wrong with either copy."""
    damage: list[Damage] = []
    kept: dict[str, Checkpoint] = {}
    place = ledger.folder + CHECKPOINT
    notes = {place: _find(ledger, place), MEMORY: ledger.last_signed.read()}
    if not any(notes.values()):
        return None, []  # nothing was ever signed
    for name, note in notes.items():
        if note is None and name == place and ledger.is_witnessed:
            continue  # no witnesses were heard yet
        try:
            parsed = Note.parse(note or b"")
            parsed.find_signed(ledger.signer.keys)  # each that is there must be true
            kept[name] = require_checkpoint(parsed, ledger.signer.key)
        except ProofError as error:
            code = "ledger.missing" if note is None else "ledger.differs"
            damage.append(Damage(name, code, "a signed checkpoint", error.code))
    published, remembered = kept.get(place), kept.get(MEMORY)
    awaited = (
        ledger.is_witnessed and published and remembered and published.size < remembered.size
    )  # signed, and published as soon as the witnesses have cosigned
    if published and remembered and published != remembered and not awaited:
        if published.size == remembered.size:
            code, name = "ledger.fork", place  # two roots for one size, both signed
        else:
            name = min(kept, key=lambda one: kept[one].size)
            code = "ledger.stale"  # the published one: integrating again publishes the newest
        sizes = f"sizes {published.size} published, {remembered.size} signed last"
        damage.append(Damage(name, code, "the same checkpoint twice", sizes))
    return max(kept.values(), key=lambda one: one.size, default=None), damage


def _compare_groups(ledger: Ledger, edge: Edge, size: int) -> Iterator[Damage]:
    for start in range(0, size, BATCH):
        leaves = ledger.entries.leaves(start, min(start + BATCH, size))
        for at in range(start, min(start + BATCH, size), WIDTH):
            group = leaves[at - start : at - start + WIDTH]
            if len(leaves) < min(BATCH, size - start):  # a gap: which group has it?
                group = ledger.entries.leaves(at, min(at + WIDTH, size))
            yield from _compare_group(ledger, edge, at, min(WIDTH, size - at), group)
    for tile, octets in edge.partial():
        if tile.level > 0:
            yield from _compare(ledger, tile, octets)


def _compare_group(
    ledger: Ledger, edge: Edge, start: int, width: int, group: list[bytes]
) -> Iterator[Damage]:
    """Table, bundle and tile say the same three times; name the one that does not."""
    bundle, tile = Tile(ENTRIES, start // WIDTH, width), Tile(0, start // WIDTH, width)
    bundled, hashes = _entries(ledger, bundle), _find(ledger, _name(ledger, tile))
    rows = f"{ledger.table} entries {start}-{start + width - 1}"
    if len(group) != width:
        yield Damage(rows, "ledger.missing", f"{width} entries", str(len(group)))
        if bundled is None:
            yield Damage(_name(ledger, bundle), "ledger.missing", f"{width} entries", "none")
            if hashes and len(hashes) == WIDTH * tree.HASH_SIZE:  # go on, with what is left
                for made, octets in edge.add_group(tiles.hashes_in(tile, hashes)):
                    yield from _compare(ledger, made, octets)
            return
        group = bundled
    elif bundled is not None and bundled != group and _hashed(bundled) == hashes:
        yield Damage(
            rows, "ledger.differs", f"the entries of {_name(ledger, bundle)}", "others"
        )
        group = bundled
    for made, octets in [*edge.grow(group), *(edge.partial() if width < WIDTH else [])]:
        if made.level <= 0 or made.width == WIDTH:
            yield from _compare(ledger, made, octets)


def _compare(ledger: Ledger, tile: Tile, expected: bytes) -> Iterator[Damage]:
    """The tile, and what older checkpoints left of it, against what it must be."""
    needed, whole = _name(ledger, tile), _name(ledger, Tile(tile.level, tile.index))
    found = _find(ledger, needed)
    if found is None and (needed == whole or _find(ledger, whole) is None):
        yield Damage(needed, "ledger.missing", f"{len(expected)} octets", "none")
    for name in (whole, *ledger.blobs.names(f"{whole}.p/")):
        try:
            kept = Tile.parse(name.removeprefix(ledger.folder))
        except ProofError:
            continue  # an extra file, named below
        octets = _find(ledger, name)
        if octets is None or kept.width > tile.width:
            continue  # from a run that died before it signed: see _compare_unsigned
        beginning = expected[: _length(kept, expected)]
        if octets != beginning:
            yield Damage(name, "ledger.differs", _brief(beginning), _brief(octets))


def _look_at_names(ledger: Ledger, size: int, sequenced: int) -> Iterator[Damage]:
    """Whatever lies there beyond the tiles of the tree of this size."""
    for name in ledger.blobs.names(ledger.folder):
        if name == ledger.folder + CHECKPOINT:
            continue
        try:
            tile = Tile.parse(name.removeprefix(ledger.folder))
        except ProofError:
            yield Damage(name, "ledger.extra", "a tile, a bundle or the checkpoint", name)
            continue
        if tile.end > max(size, sequenced):
            yield Damage(name, "ledger.extra", f"nothing beyond entry {sequenced}", name)
        elif tile.end > size:
            yield from _compare_unsigned(ledger, tile)


def _compare_unsigned(ledger: Ledger, tile: Tile) -> Iterator[Damage]:
    """Of a run that died before it signed: the next run makes it again, with these bytes."""
    first, span = tile.index * WIDTH, 1 << 8 * max(tile.level, 0)
    if tile.level == ENTRIES:
        expected = tiles.bundle_of(ledger.entries.leaves(first, tile.end))
    else:
        ranges = [(at * span, (at + 1) * span) for at in range(first, first + tile.width)]
        groups = (ledger.entries.leaves(*one) for one in ranges)
        expected = b"".join(tree.root_of(list(map(tree.leaf_hash, group))) for group in groups)
    found = _find(ledger, _name(ledger, tile))
    if found != expected:
        yield Damage(
            _name(ledger, tile), "ledger.differs", _brief(expected), _brief(found or b"")
        )


def _length(tile: Tile, wider: bytes) -> int:
    if tile.level != ENTRIES:
        return tile.width * tree.HASH_SIZE
    at = 0
    for _ in range(tile.width):
        at += 2 + int.from_bytes(wider[at : at + 2], "big")
    return at


def _entries(ledger: Ledger, bundle: Tile) -> list[bytes] | None:
    for kept in (bundle, Tile(ENTRIES, bundle.index)):
        octets = _find(ledger, _name(ledger, kept))
        if octets is not None:
            try:
                return tiles.entries_in(kept, octets)[: bundle.width]
            except ProofError:
                return None
    return None


def _hashed(entries: list[bytes]) -> bytes:
    return b"".join(tree.leaf_hash(entry) for entry in entries)


def _name(ledger: Ledger, tile: Tile) -> str:
    return ledger.folder + str(tile)


def _find(ledger: Ledger, name: str) -> bytes | None:
    try:
        with ledger.blobs.open(name) as stream:
            return stream.read()
    except (NotKept, UnsafeName):
        return None


def _brief(octets: bytes) -> str:
    return f"{len(octets)} octets, sha256 {sha256(octets).hexdigest()[:16]}…"
