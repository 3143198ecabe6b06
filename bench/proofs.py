"""Inclusion proofs per second from tiles alone, at growing sizes: how the cost grows.

Prints one JSON object; rates are of the processor's seconds. The tiles are files, laid down
plainly (39,000 for 10^7 entries, 330 MB; removed at the end), so what is measured is ours and
the file system's cache: which tiles, which nodes inside them. `built`: leaves a second that
became tiles, the hashing of the leaves with it. `random`: entries anywhere, once every tile
that is remembered was read. `batch`: the newest entries, which is what the road asks for.
`kernel` is the plain algorithm of proof.tiles, which hashes each tile again; `verified` is what
a stranger does with one proof.
Rounds alternate in one run. At most 1,024 tiles are remembered: beyond 262,144 entries random
ones read a tile each, which is where the figure falls.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

from guzheng.ledger.edge import Edge
from guzheng.ledger.subtrees import Subtrees
from guzheng.proof import tiles, tree
from guzheng.proof.tiles import WIDTH, Tile

ASKED = 2000


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", type=int, nargs="*", default=[10**3, 10**5, 10**7])
    arguments.add_argument("--place", type=Path, help="a directory for the tiles")
    found: dict[str, object] = {"bench": "proofs"}
    chosen = arguments.parse_args()
    for size in chosen.sizes:
        with tempfile.TemporaryDirectory(dir=chosen.place) as place:
            found[str(size)] = of_size(size, Path(place))
    print(json.dumps(found, indent=2))
    return 0


def of_size(size: int, place: Path) -> dict[str, int]:
    edge, begun = Edge(), time.process_time()
    for start in range(0, size - WIDTH + 1, WIDTH):
        hashes = [leaf(number) for number in range(start, start + WIDTH)]
        lay(place, edge.add_group(hashes))
    entries = [b"%d" % number for number in range(size - size % WIDTH, size)]
    lay(place, edge.grow(entries))
    lay(place, edge.partial())
    seconds = time.process_time() - begun

    def read(tile: Tile) -> bytes:
        return (place / str(tile)).read_bytes()

    subtrees, root = Subtrees(read), edge.root()
    chance = random.Random(1)
    anywhere = [chance.randrange(size - size % WIDTH) for _ in range(ASKED)]
    newest = range(max(0, size - size % WIDTH - ASKED), size - size % WIDTH)
    for index in anywhere:
        subtrees.inclusion(index, size)
    paths = [subtrees.inclusion(index, size) for index in anywhere]

    def verify() -> None:
        for index, path in zip(anywhere, paths, strict=True):
            tree.require_included(leaf(index), index, size, path, root)

    return {
        "built": round(size / seconds),
        "hashes_in_a_path": len(paths[0]),
        "random": rate(lambda: [subtrees.inclusion(one, size) for one in anywhere]),
        "batch": rate(lambda: [subtrees.inclusion(one, size) for one in newest], len(newest)),
        "kernel": rate(
            lambda: [tiles.inclusion_from(read, one, size) for one in anywhere[:50]],
            50,
        ),
        "verified": rate(verify),
    }


def lay(place: Path, made: Iterable[tuple[Tile, bytes]]) -> None:
    for tile, octets in made:
        path = place / str(tile)
        if tile.index % 1000 == 0 or tile.width < WIDTH:  # a directory holds a thousand
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)


def leaf(number: int) -> bytes:
    return sha256(b"\x00%d" % number).digest()


def rate(act: Callable[[], object], count: int = ASKED) -> int:
    best = 0.0
    for _ in range(3):
        begun = time.process_time()
        act()
        best = max(best, count / (time.process_time() - begun))
    return round(best)


if __name__ == "__main__":
    sys.exit(main())
