"""Station 3, 入册: a leaf becomes an entry that cannot be withdrawn or back-dated.

Takes the bytes of a leaf; gives its number, and a `.tlog-proof` once a signed checkpoint has
it. The published form is c2sp.org/tlog-tiles. May fail with Refused (a rule of the ledger, or
damage that an operator must look at) and Unavailable (not signed yet, disk full).
"""

from guzheng.ledger.adding import COMMITMENT_SIZE, MOST_COMMITMENTS, Adding
from guzheng.ledger.fetching import Place
from guzheng.ledger.fsck import Damage, fsck
from guzheng.ledger.gathering import Gathering
from guzheng.ledger.keys import open_signer
from guzheng.ledger.lastsigned import FileLastSigned, LastSigned, MemoryLastSigned
from guzheng.ledger.ledger import Ledger, TileStore
from guzheng.ledger.monitor import Monitor
from guzheng.ledger.rebuild import rebuild_from_tiles
from guzheng.ledger.row import Numbered, Row, Shard
from guzheng.ledger.shards import Shards
from guzheng.ledger.signer import Signer
from guzheng.ledger.sizes import Sizes
from guzheng.ledger.witnesses import HttpWitness

__all__ = [
    "COMMITMENT_SIZE",
    "MOST_COMMITMENTS",
    "Adding",
    "Damage",
    "FileLastSigned",
    "Gathering",
    "HttpWitness",
    "LastSigned",
    "Ledger",
    "MemoryLastSigned",
    "Monitor",
    "Numbered",
    "Place",
    "Row",
    "Shard",
    "Shards",
    "Signer",
    "Sizes",
    "TileStore",
    "fsck",
    "open_signer",
    "rebuild_from_tiles",
]
