"""The ledger as it is asked from outside: entries of others, what is served, its shards.

The road enters its own exhibits and asks `ledger` itself. Here is what everybody else may do
with it: give commitments under a key that the operator named, fetch what C2SP defines, hold the
places that speak of it against each other, and let the operator turn to the next shard.
"""

import hmac
from collections.abc import Sequence

from guzheng.app.parts import Parts
from guzheng.app.views import LedgerStanding, ShardView
from guzheng.app.witnessing import ledger_policy, monitored, standing_of
from guzheng.config import Config
from guzheng.ledger import Adding, Ledger, Numbered, turning
from guzheng.ledger.chained import chain_findings
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.proof.policy import LedgerPolicy
from guzheng.proof.report import Report
from guzheng.refusals import Refused


class Entries:
    """May be shared by threads."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config, self._parts, self._shards = config, parts, parts.shards
        self._adding: dict[str, Adding] = {}

    # ---- of others -------------------------------------------------------------------

    def require_may_add(self, key_sha256: str) -> None:
        """Refused unless the settings name this key, by its SHA-256."""
        known = [one.strip().lower() for one in self._config.ledger_keys]
        if not any(hmac.compare_digest(key_sha256, one) for one in known):
            raise Refused(
                "ledger.may-not-add",
                expected="a key that the operator has named in ledger_keys",
                found="none, or another" if known else "no key is named: nobody may add",
                act="ask the operator for a key and send it as Authorization: Bearer",
            )

    def add(self, commitments: Sequence[bytes]) -> list[Numbered]:
        """In the order given; durable when this returns."""
        return self._shards.append_all([(LEAF_LABEL + one, None) for one in commitments])

    def wait_for_checkpoint(self, entry: Numbered, seconds: float) -> bool:
        """Whether this entry is under a signed checkpoint within the time."""
        ledger = self._shards.shard(entry.shard).ledger
        return self._adding.setdefault(entry.shard, Adding(ledger)).wait(entry.number, seconds)

    def wait_for_quorum(self, entry: Numbered) -> None:
        """Until the policy is met by a published checkpoint that has this entry."""
        self._shards.cosign(entry)

    def prove(self, entry: Numbered) -> bytes:
        """The `.tlog-proof` of any entry."""
        size = self._shards.shard(entry.shard).ledger.entries.size()
        if entry.number >= size:
            raise Refused("ledger.not-found", expected=f"below {size}", found=str(entry))
        return self._shards.prove(entry, note=self._shards.cosign(entry))

    # ---- as it stands ----------------------------------------------------------------

    @property
    def open(self) -> Ledger:
        """The shard that is open."""
        return self._shards.open

    def policy(self) -> LedgerPolicy:
        """With the keys of every shard there is at this moment."""
        return ledger_policy(self._config, [one.ledger for one in self._shards.row.all])

    def read(self, path: str, shard: str) -> bytes | None:
        """What is served under a C2SP path of a shard; the first has the plain paths."""
        return self._shards.shard(shard).ledger.read(path)

    def is_closed(self, shard: str) -> bool:
        return self._shards.shard(shard).end is not None

    def standing(self) -> LedgerStanding:
        return standing_of(self._shards)

    def chained(self) -> Report:
        """Whether each shard begins with the last checkpoint of the one before."""
        self._shards.row.refresh()
        return Report(tuple(chain_findings(self._shards.row)))

    def monitor(self, served: Sequence[str], mirrors: Sequence[str]) -> Report:
        """Compare every place that says something of the ledger."""
        return monitored(self._config, self._shards, self._parts.blobs, served, mirrors)

    # ---- the operator's --------------------------------------------------------------

    def turn(self) -> ShardView:
        """Close the open shard, and go on with the next; prepares it if need be."""
        turning.turn(self._shards.row, self._parts.now().year)
        return next(one for one in self.standing().shards if one.state == "open")

    def prepare_shard(self) -> ShardView:
        """Make the next shard's keys, and have its empty tree cosigned."""
        self._shards.row.refresh()
        turning.prepare(self._shards.row, (self._parts.now() + turning.LEAD).year)
        return next(one for one in self.standing().shards if one.state == "next")
