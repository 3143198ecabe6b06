"""The shards of this installation's ledger: where each is kept, and with which keys it signs.

A ledger that is made now turns by the calendar; one that was there before turns when its
operator says so, and by the calendar from then on (docs/decisions/0023). Keys of a shard are
made once, on one machine, before anything bears its name, and never where it was prepared
elsewhere: then they are copied, as the keys of the first shard are.
"""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from guzheng import fix
from guzheng.app.stores import Stores, keys_of
from guzheng.ledger import Ledger, Row, Shards, open_signer
from guzheng.ledger.keys import FILE
from guzheng.ledger.ledger import FIRST
from guzheng.ledger.row import begin_with_year
from guzheng.refusals import Unavailable


def open_shards(
    stores: Stores,
    keys_folder: Path,
    library: fix.Libcrypto | None,
    *,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> Shards:
    """Every shard that has begun, and the one that is prepared where its keys are here."""

    def opened(shard: str, origin: str | None, *, make: bool) -> Ledger:
        folder = keys_of(keys_folder, shard)
        if not make and not os.path.lexists(folder / FILE):
            raise Unavailable(
                "ledger.shard-keys-missing",
                expected=f"the keys of the shard {shard}",
                found=f"no keys/shards/{shard} on this machine",
                act="copy that folder from the machine that made it; it is never made anew",
            )
        memory = stores.last_signed(shard)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        signer = open_signer(
            folder,
            origin,
            entropy,
            sm2=fix.Sm2Scalars(library) if library else None,
            signed=memory.read(),
        )
        return Ledger(stores.entries(shard), stores.blobs, signer, memory, shard)

    fresh = not os.path.lexists(keys_folder / FILE)
    first = opened(FIRST, None, make=True)
    if fresh:
        begin_with_year(stores.blobs, now().year)
    return Shards(Row(first, stores.blobs, opened, stores.leases))
