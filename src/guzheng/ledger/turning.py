"""The turn: a shard is closed for ever, and the next one goes on where it ended.

    1. prepare   keys of the next shard; its empty tree signed, cosigned, published
    2. close     the table of the old one gives no number any more
    3. finish    its last checkpoint signed; its memory refuses to sign; cosigned, published
    4. chain     that checkpoint is entry 0 of the next, which is signed, cosigned, published
    5. begin     the paper that names the next shard as the open one

Each step is durable before the next, and each is harmless twice: killed anywhere, the turn is
begun again from the first and finds the steps done. Before step 2 nothing has happened that
matters: as long as the witnesses have not cosigned the next shard's empty tree, or the newest
entries of the old, the turn does not begin and the old shard goes on. Between 2 and 5 no entry
can get a number, and whoever needs one goes on with the turn himself (shards.append_all).

One process at a time turns, by a lease. Of two that turn with databases that differ, the
memory beside the keys lets one close (lastsigned), and no signature is made after that.
"""

from datetime import datetime, timedelta

from guzheng.ledger.ledger import CHECKPOINT, FIRST
from guzheng.ledger.row import Row, Shard
from guzheng.proof.shard import leaf_of
from guzheng.refusals import Refused, Unavailable
from guzheng.store.lease import leased

LEASE = "shards"
LEAD = timedelta(weeks=4)  # in which the witnesses' operators can add the next shard's key


def prepare(row: Row, year: int) -> Shard:
    """Step 1. Raises Unavailable until a quorum has cosigned the next shard's empty tree."""
    with leased(row.leases, LEASE, wait=True):
        return _prepared(row, year)


def turn(row: Row, year: int) -> Shard:
    """All five; gives the shard that is open now. What was begun before is gone on with."""
    with leased(row.leases, LEASE, wait=True):
        row.refresh()
        _require_used(row.open)
        return _turned(row, year)


def go_on(row: Row) -> Shard:
    """End a turn that somebody began and did not end; nothing, where there is none."""
    with leased(row.leases, LEASE, wait=True):
        row.refresh()
        return _turned(row, 0) if is_begun(row) else row.open


def is_begun(row: Row) -> bool:
    return row.open.ledger.entries.closed() is not None


def keep(row: Row, now: datetime) -> None:
    """What a server does from time to time: prepare and turn by the calendar, in UTC."""
    with leased(row.leases, LEASE, wait=False) as held:
        if not held:
            return
        row.refresh()
        if is_begun(row):
            _turned(row, 0)
        year = row.year()
        if year is None or not _is_used(row.open):
            return
        if now.year > year:
            _turned(row, now.year)
        elif (now + LEAD).year > year:
            _prepared(row, (now + LEAD).year)


def _turned(row: Row, year: int) -> Shard:
    old = row.open
    begun = is_begun(row)
    # 1. Nothing is closed before there is somewhere to go on.
    after = _prepared(row, year)
    if not begun:
        old.gathering.catch_up()  # the witnesses of the old one answer, too
    # 2. From here on no number is given.
    old.ledger.close()
    # 3. Whatever has a number is signed, and nothing ever after it. Public before anything is
    #    built on it: what only this machine knows could be lost, and the row would break.
    end = old.ledger.finish()
    last = old.gathering.cosign_newest()
    if old.ledger.published() != end:
        raise Unavailable("ledger.turning", expected="the last checkpoint, published")
    # 4. The next shard's first entry. It has its table to itself: it is not in the row yet.
    if after.ledger.append(leaf_of(end), None) != 0:
        raise Refused(
            "ledger.shard-differs",
            expected=f"the last checkpoint of {old.name} as the first entry of {after.name}",
            found="another one",
            act="keep everything; another ledger has used these keys or this table",
        )
    after.gathering.cosign(0)
    # 5. Everybody learns of it here.
    row.begin(after, last)
    return row.open


def _prepared(row: Row, year: int) -> Shard:
    name = row.waiting() or row.name_after(year or 0)
    shard = row.find(name)
    if shard is None:
        known = row.waiting() is not None  # made by another machine: never made anew
        shard = row.opened(name, make=not known)
    row.say_keys(shard)
    row.refresh()  # compares with what was said, should another one have been first
    shard = row.find(name) or row.opened(name)
    if shard.ledger.read(CHECKPOINT) is None or not shard.gathering.is_cosigned():
        shard.gathering.cosign_newest()
    return shard


def _is_used(shard: Shard) -> bool:
    """Whether it has more than the entry it began with."""
    return shard.ledger.entries.size() > (0 if shard.name == FIRST else 1)


def _require_used(shard: Shard) -> None:
    if not _is_used(shard) and shard.ledger.entries.closed() is None:
        raise Refused(
            "ledger.shard-unused",
            expected="entries in the open shard",
            found=f"none but its first, in {shard.name}",
            act="nothing to do: the shard that is open is the one to go on with",
        )
