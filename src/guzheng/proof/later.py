"""Papers that came after the certificate: receipts of the checkpoint, and renewals.

Nothing in them is needed for what the exhibit proves by itself; what is there must be right
all the same. What a receipt says of a system that cannot be asked offline is told with the
step, in its own words, and never claimed. Renewals are asked about a moment only when the
verifier is given one: `Trust.judged_at`.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from guzheng.proof import anchors, instant, package, renewal, timestamp
from guzheng.proof.errors import Undecided, UnknownKey, require
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust
from guzheng.proof.renewal import Renewed
from guzheng.proof.steps import Steps, need
from guzheng.proof.tlogproof import TlogProof

_Papers = Mapping[str, bytes]


def check_receipt(steps: Steps, name: str, receipt: bytes, at: TlogProof | None) -> None:
    """One of a kind that only its own system can confirm."""
    kind = {"ots": "ots", "tsa": "imprint"}.get(name.rpartition(".")[2], "evm")
    steps.check(f"anchor.{kind}", partial(_receipt, kind, receipt, at), name)


def _receipt(kind: str, receipt: bytes, at: TlogProof | None) -> str:
    of = need(at, "the checkpoint that is anchored")
    if kind == "ots":
        return str(anchors.require_ots(receipt, of.note.text))
    return str(anchors.require_evm(receipt, of.checkpoint))


def check_renewals(
    steps: Steps, papers: _Papers, observed: Mapping[str, Observed], trust: Trust
) -> None:
    """Each record is sound, in time, and goes on from the one before."""
    records = _records(papers)
    for before, name in zip([None, *records], records, strict=False):
        steps.check("renewal.covered", partial(_covered, papers, observed, name), name)
        steps.check("renewal.in-time", partial(_told, papers, trust, name), name)
        if before is not None:
            prove = partial(_continues, papers[name], papers[before])
            steps.check("renewal.continues", prove, name)
    if trust.judged_at is not None:
        ask = partial(_require_stands, papers, observed, trust, trust.judged_at)
        steps.check("seal.age", ask, package.SEAL)


def _records(papers: _Papers) -> list[str]:
    names = (one for one in papers if package.is_optional(one))
    return sorted(one for one in names if one.startswith(package.RENEWALS))


def _covered(papers: _Papers, observed: Mapping[str, Observed], name: str) -> None:
    group = partial(renewal.group_of, papers, observed)
    renewal.require_covered(renewal.parse(papers[name]), group)


def _continues(newer: bytes, older: bytes) -> None:
    renewal.require_continues(renewal.parse(newer), renewal.parse(older))


def _told(papers: _Papers, trust: Trust, name: str) -> str:
    proved = _in_time(papers, trust, name)
    return f"{instant.encode(proved.since)} – {instant.encode(proved.until)}"


def _in_time(papers: _Papers, trust: Trust, name: str) -> Renewed:
    if trust.roots is None:
        raise UnknownKey("trust.no-roots", "roots to believe", "none given")
    seals = (one for one in papers if one == package.SEAL or one.startswith(package.TOKENS))
    own = [
        renewal.until_of(timestamp.parse(papers[one]), trust.roots, trust.hash_ends)
        for one in seals
    ]
    record = renewal.parse(papers[name])
    return renewal.require_in_time(record, trust.roots, trust.hash_ends, *own)


def _require_stands(
    papers: _Papers, observed: Mapping[str, Observed], trust: Trust, at: datetime
) -> str:
    """At the moment asked about the seal's path is valid, or the newest renewal's is."""
    roots = need(trust.roots, "roots to believe")
    seal = timestamp.parse(need(papers.get(package.SEAL), package.SEAL))
    until = renewal.until_of(seal, roots, trust.hash_ends)
    if at > until and (records := _records(papers)):
        _covered(papers, observed, records[-1])
        until = _in_time(papers, trust, records[-1]).until
    require(at <= until, Undecided, "renewal.aged", f"valid at {at}", f"until {until}")
    return instant.encode(until)
