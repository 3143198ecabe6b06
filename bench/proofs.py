"""Inclusion proofs per second from tiles alone, at growing sizes: how the cost grows.

Prints one JSON object. The tiles are in memory, so what is measured is ours: which tiles, which
nodes inside them. `random`: entries anywhere, once every tile that is remembered was read.
`batch`: the newest entries, which is what the road asks for. `kernel` is the plain algorithm of
proof.tiles, which hashes each tile again; `verified` is what a stranger does with one proof.
Rounds alternate in one run. At most 1,024 tiles are remembered: beyond 262,144 entries random
ones read a tile each, which is where the figure falls.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from hashlib import sha256

from guzheng.ledger.edge import Edge
from guzheng.ledger.subtrees import Subtrees
from guzheng.proof import tiles, tree
from guzheng.proof.tiles import WIDTH, Tile

ASKED = 2000


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sizes", type=int, nargs="*", default=[10**3, 10**5, 10**7])
    found: dict[str, object] = {"bench": "proofs"}
    for size in arguments.parse_args().sizes:
        found[str(size)] = of_size(size)
    print(json.dumps(found, indent=2))
    return 0


def of_size(size: int) -> dict[str, int]:
    edge, made = Edge(), dict[Tile, bytes]()
    for start in range(0, size - WIDTH + 1, WIDTH):
        hashes = [leaf(number) for number in range(start, start + WIDTH)]
        made.update(edge.add_group(hashes))
    entries = [b"%d" % number for number in range(size - size % WIDTH, size)]
    made.update(edge.grow(entries))
    made.update(edge.partial())
    subtrees, root = Subtrees(made.__getitem__), edge.root()
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
        "random": rate(lambda: [subtrees.inclusion(one, size) for one in anywhere]),
        "batch": rate(lambda: [subtrees.inclusion(one, size) for one in newest], len(newest)),
        "kernel": rate(
            lambda: [
                tiles.inclusion_from(made.__getitem__, one, size) for one in anywhere[:50]
            ],
            50,
        ),
        "verified": rate(verify),
    }


def leaf(number: int) -> bytes:
    return sha256(b"\x00%d" % number).digest()


def rate(act: Callable[[], object], count: int = ASKED) -> int:
    best = 0.0
    for _ in range(3):
        begun = time.perf_counter()
        act()
        best = max(best, count / (time.perf_counter() - begun))
    return round(best)


if __name__ == "__main__":
    sys.exit(main())
