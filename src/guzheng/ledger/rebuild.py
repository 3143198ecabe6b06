"""Makes the table of entries again from the published bundles: papers are the truth.

Takes what was signed (from the memory beside the key, or when that is lost from the published
checkpoint), reads the bundles, and lets nothing into the table that does not lead to the
signed root. Entries that were numbered and bundled but not signed yet come back too, so that
they keep their numbers. Which exhibit an entry belongs to comes back when it is appended again.
"""

import contextlib

from guzheng.ledger.edge import Edge
from guzheng.ledger.ledger import BATCH, CHECKPOINT, Ledger
from guzheng.proof import tiles, tree
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile
from guzheng.refusals import Refused
from guzheng.store.blobs import NotKept


def rebuild_from_tiles(ledger: Ledger) -> int:
    """Complete the table, and the memory of what was signed; gives the number of entries."""
    with ledger.last_signed.turn():
        signed = _recall(ledger)
        intended = ledger.last_signed.intended()
        if intended is not None:  # it may have been signed, so its entries are no others
            signed = Checkpoint.parse(intended)
        size = signed.size if signed else 0
        _require_signed_root(ledger, signed)
        start, batch = 0, list[bytes]()
        agreed = True
        while agreed:
            group = _group(ledger, (start + len(batch)) // WIDTH, size)
            batch += group
            if len(batch) >= BATCH or len(group) < WIDTH:
                agreed = _complete(ledger, start, batch, size)
                start, batch = start + len(batch), []
            if len(group) < WIDTH:
                break
        for name in list(ledger.blobs.names(f"{ledger.folder}tile/")):
            # Left by a run that died before it signed, or that was not let sign; the entry
            # that gets this number now may be another one. No checkpoint speaks of these
            # files, and what is in the table makes them again.
            with contextlib.suppress(ProofError):  # not a tile: fsck names it
                tile = Tile.parse(name.removeprefix(ledger.folder))
                if tile.end > size or _is_of_another_tree(ledger, tile, size):
                    ledger.blobs.remove(name)
        return ledger.entries.size()


def _is_of_another_tree(ledger: Ledger, tile: Tile, size: int) -> bool:
    """Whether a partial tile is no beginning of the tile that the signed tree has there.

    Where two servers lived at once, the one that was not let sign may have been the one that
    had fewer entries, and have prepared its tiles."""
    wider = tiles.tile_at(tile.level, tile.index, size)
    if tile.width >= wider.width:
        return False
    if tile.level == ENTRIES:
        longer = _entries(ledger, wider)
        return bool(longer) and _entries(ledger, tile) != longer[: tile.width]
    hashes = _read(ledger, wider)
    return bool(hashes) and _read(ledger, tile) != hashes[: tile.width * tree.HASH_SIZE]


def _read(ledger: Ledger, tile: Tile) -> bytes:
    """Empty where there is none."""
    try:
        with ledger.blobs.open(f"{ledger.folder}{tile}") as stream:
            return stream.read()
    except NotKept:
        return b""


def _recall(ledger: Ledger) -> Checkpoint | None:
    """What was signed last: as remembered, or as published where that is newer."""
    remembered = ledger.last_signed.read()
    signed = ledger.require_ours(remembered) if remembered is not None else None
    try:
        with ledger.blobs.open(ledger.folder + CHECKPOINT) as stream:
            note = stream.read()
    except NotKept:
        return signed
    published = ledger.require_ours(note)
    if signed is not None and signed.size >= published.size:
        return signed
    if signed is not None:
        _require_continued(ledger, signed, published)
    whole = Note.parse(note)  # the memory is of our own signatures
    own = tuple(one for one in whole.signatures if one.name == ledger.origin)
    ledger.last_signed.swap(remembered, Note(whole.text, own).encode())
    return published


def _require_continued(ledger: Ledger, old: Checkpoint, new: Checkpoint) -> None:
    try:
        proof = tiles.consistency_from(ledger.tile, old.size, new.size)
        tree.require_consistent(old.size, old.root, new.size, new.root, proof)
    except ProofError as error:
        raise Refused(
            "ledger.fork",
            expected=f"size {new.size}, which is published, to continue {old.size}",
            found=error.code,
            act="sign nothing; keep both checkpoints and the tiles, and ask the witnesses",
        ) from error


def _require_signed_root(ledger: Ledger, signed: Checkpoint | None) -> None:
    """The bundles lead to the signed root; else nothing of them is believed."""
    edge = Edge()
    size = signed.size if signed else 0
    for start in range(0, size, WIDTH):
        for _ in edge.grow(_group(ledger, start // WIDTH, size)[: size - start]):
            pass
    if signed and (edge.size != size or edge.root() != signed.root):
        raise Refused(
            "ledger.damaged-bundles",
            expected=f"{signed.root.hex()} at size {size}",
            found=f"{edge.root().hex()} at size {edge.size}",
            act="run fsck; restore the files it names from a mirror or a backup",
        )


def _group(ledger: Ledger, index: int, size: int) -> list[bytes]:
    """The entries of a group, as far as any of its bundles has them.

    Those of the signed tree first: where two servers lived at once, a bundle of the one that
    was not let sign may lie beside them, and be longer."""
    full = Tile(ENTRIES, index)
    widest: list[bytes] = _entries(ledger, full)
    if not widest:
        for name in ledger.blobs.names(f"{ledger.folder}{full}.p/"):
            with contextlib.suppress(ProofError):
                entries = _entries(ledger, Tile.parse(name.removeprefix(ledger.folder)))
                widest = max(widest, entries, key=len)
    width = size - index * WIDTH
    signed = _entries(ledger, Tile(ENTRIES, index, width)) if 0 < width < WIDTH else []
    return widest if widest[: len(signed)] == signed else signed


def _entries(ledger: Ledger, bundle: Tile) -> list[bytes]:
    """None where there is none, or it is damaged: the signed root decides if that matters."""
    try:
        return tiles.entries_in(bundle, _read(ledger, bundle))
    except ProofError:
        return []


def _complete(ledger: Ledger, start: int, group: list[bytes], size: int) -> bool:
    """Fill in what the table lacks; False when it has other entries that were never signed.

    Those were numbered after a failover to a server that had forgotten the first ones. The
    table's stand; who was forgotten is appended again, since every exhibit has its leaf."""
    kept = ledger.entries.leaves(start, start + len(group))
    signed = max(0, size - start)
    if kept[:signed] != group[: min(signed, len(kept))]:
        raise Refused(
            "ledger.table-differs",
            expected=f"the entries of the bundles from number {start} on",
            found="others in the table",
            act="set the table aside (ledger.sqlite; on PostgreSQL entry and entry_exhibit) and"
            " run rebuild again; keep it, it is a trace",
        )
    if kept != group[: len(kept)]:
        return False
    if len(kept) < len(group):
        ledger.entries.restore(start + len(kept), group[len(kept) :])
    return True
