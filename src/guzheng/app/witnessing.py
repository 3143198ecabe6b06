"""Who must have seen the ledger: the operator's policy, and the witnesses it names.

The policy is a c2sp.org/tlog-policy file. It may leave out `log` lines: a ledger knows its own
keys. Absent, nobody is asked, and every certificate says so.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from pathlib import Path

from guzheng.app.views import EntryView, LedgerStanding, ShardView, WitnessView
from guzheng.config import Config
from guzheng.ledger import (
    Gathering,
    HttpWitness,
    Ledger,
    Monitor,
    Place,
    Shard,
    Shards,
    Sizes,
    turning,
)
from guzheng.ledger.anchors import AnchorBook
from guzheng.ledger.chained import chain_findings
from guzheng.ledger.ledger import CHECKPOINT, FIRST
from guzheng.ledger.mirrors import HttpMirror
from guzheng.proof import package, policy
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Note
from guzheng.proof.policy import NONE, LedgerPolicy, Witness
from guzheng.proof.report import Finding, Report
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import Blobs

SIZES = "witness-sizes.json"
_LOOK_SECONDS = 5.0
_TURN_SECONDS = 60.0


def ledger_policy(config: Config, ledgers: Sequence[Ledger]) -> LedgerPolicy:
    """What a certificate of this installation demands; its own keys first, shard by shard:
    the closed ones, whose papers stand, the open one, and the next, so that others know it."""
    own = tuple(str(key) for ledger in ledgers for key in ledger.signer.keys)
    urls = tuple(_urls(config, ledgers))
    if not config.ledger_policy:
        return LedgerPolicy(own, NONE, log_urls=urls)
    try:
        octets = Path(config.ledger_policy).read_bytes()
        lines = [line.split() for line in octets.splitlines()]
        if not any(words[:1] == [b"log"] for words in lines):
            octets = f"log {ledgers[0].vkey}\n".encode() + octets
        stated = policy.parse_ledger_policy(octets)
    except (OSError, ProofError) as error:
        found, wanted = str(error.strerror if isinstance(error, OSError) else error.found), ""
        if isinstance(error, ProofError):
            wanted = f": {error.expected}"  # which line of the format was not kept
        raise _refused(config, f"a C2SP tlog-policy file{wanted}", found) from error
    if not set(own) & set(stated.logs):
        raise _refused(config, f"a log line with {ledgers[0].vkey}", ", ".join(stated.logs))
    others = tuple(one for one in stated.logs if one not in own)
    given = {vkey for vkey, _ in stated.log_urls}
    urls = (*stated.log_urls, *(one for one in urls if one[0] not in given))
    return dataclasses.replace(stated, logs=(*own, *others), log_urls=urls)


def _urls(config: Config, ledgers: Sequence[Ledger]) -> Iterator[tuple[str, str]]:
    """Where a shard after the first is read; the first is where it has always been."""
    for ledger in ledgers[1:]:
        if config.public_url:
            yield ledger.vkey, f"{config.public_url.rstrip('/')}/ledger/{ledger.shard}/"


def open_gathering(
    config: Config, ledger: Ledger, first: Ledger, now: Callable[[], datetime]
) -> Gathering:
    """A shard bound to the witnesses of the policy, all of which must have a URL."""
    demanded = ledger_policy(config, [first] if first is ledger else [first, ledger])
    shown = dict(one.partition("=")[::2] for one in config.ledger_monitoring)
    named = {*shown, *config.ledger_pushed}
    unknown = named - {one.name for one in demanded.witnesses}
    if unknown:
        raise Refused(
            "config.value-refused",
            expected="ledger_monitoring, ledger_pushed: names of witnesses of the policy",
            found=", ".join(sorted(unknown)),
            act="mend the setting",
        )
    witnesses = [
        _witness(config, ledger, one, shown.get(one.name), now) for one in demanded.witnesses
    ]
    return Gathering(
        ledger,
        demanded,
        witnesses,
        Sizes(
            config.data / (SIZES if ledger is first else f"witness-sizes-{ledger.shard}.json")
        ),
        seconds=config.ledger_witness_seconds,
    )


def _witness(
    config: Config,
    ledger: Ledger,
    one: Witness,
    monitoring: str | None,
    now: Callable[[], datetime],
) -> HttpWitness:
    seconds = config.ledger_witness_seconds
    if one.name in config.ledger_pushed:
        return HttpMirror(one, ledger, timeout_seconds=seconds, monitoring=monitoring, now=now)
    return HttpWitness(one, timeout_seconds=seconds, monitoring=monitoring, now=now)


@contextlib.contextmanager
def kept_up(shards: Shards, now: Callable[[], datetime]) -> Iterator[None]:
    """While a server runs: what nobody waits for is published too, and soon; and the year's
    shard is prepared, and turned to.

    Commitments of others and records of the platform have no road of their own."""
    ended = threading.Event()

    def keep() -> None:
        waited = _TURN_SECONDS
        while not ended.wait(_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            if waited >= _TURN_SECONDS:
                waited = 0.0
                with contextlib.suppress(Problem):  # `ledger shards` says whom it awaits
                    turning.keep(shards.row, now())
            with contextlib.suppress(Problem):  # the next round tries again
                shards.gathering.catch_up()

    thread = threading.Thread(target=keep, name="ledger-keeps-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def standing_of(shards: Shards) -> LedgerStanding:
    gathering, ledger = shards.gathering, shards.open
    published, signed = ledger.published(), ledger.signed()  # in this order: both only grow
    known, note = gathering.known_sizes(), ledger.read(CHECKPOINT)
    cosigned = gathering.witnessed(Note.parse(note)) if note is not None else ()
    return LedgerStanding(
        origin=ledger.origin,
        vkeys=tuple(str(key) for key in ledger.signer.keys),
        quorum=gathering.policy.quorum,
        sequenced=ledger.entries.size(),
        checkpointed=signed.size if signed else 0,
        published=published.size if published else 0,
        witnesses=tuple(
            (one.name, known.get(one.name, 0)) for one in gathering.policy.witnesses
        ),
        cosigned=tuple(WitnessView(one.witness.name, one.attested_at) for one in cosigned),
        shards=tuple(_shard_view(shards, one) for one in shards.row.all),
    )


def _shard_view(shards: Shards, shard: Shard) -> ShardView:
    published = shard.ledger.published()
    state = "closed" if shard.end else "open" if shard is shards.row.open else "next"
    return ShardView(
        shard.name,
        shard.ledger.origin,
        shard.ledger.vkey,
        state,
        published.size if published else 0,
        shard.gathering.awaited(published.size - 1 if published and published.size else 0)
        if state == "open"
        else (),
    )


def monitored(
    config: Config,
    shards: Shards,
    blobs: Blobs,
    served: Sequence[str],
    mirrors: Sequence[str],
) -> Report:
    """Every place that says something of this ledger, compared; see ledger.monitor."""
    seconds = config.ledger_witness_seconds

    def places(urls: Sequence[str]) -> tuple[Place, ...]:
        return tuple(Place(one, timeout_seconds=seconds) for one in urls)

    findings: list[Finding] = []
    for shard in shards.row.begun:
        last = shard is shards.row.open  # what others serve is compared with the open one
        book = AnchorBook(blobs, shard.ledger.origin, (), timedelta(), _never)
        report = Monitor(
            shard.ledger,
            shard.gathering.policy,
            witnesses=shard.gathering.witnesses,
            served=places(served) if last else (),
            mirrors=places([*config.ledger_mirrors, *mirrors]) if last else (),
            anchored=[(one.place, one.note) for one in book.anchored() if one.receipts],
            name="" if shard.name == FIRST else shard.name,
        ).report()
        findings += report.findings
    return Report((*findings, *chain_findings(shards.row)))


def _never() -> datetime:
    raise AssertionError("nothing is anchored here")


def find_entry(
    shards: Shards, papers: Mapping[str, bytes | None], names: Set[str]
) -> EntryView | None:
    """How far the entry of these papers has come; None before it has a number."""
    proof, leaf = papers.get(package.ENTRY), papers.get(package.LEAF)
    try:
        entry = TlogProof.parse(proof) if proof is not None else None
        if entry is not None:
            return _proved(shards, entry, names)
    except ProofError:  # damage: fsck names it, a page does not break on it
        return None
    found = shards.index_of(leaf) if leaf is not None else None
    if found is None:
        return None
    shard = shards.shard(found.shard)
    signed = shard.ledger.signed()
    checkpointed = signed is not None and found.number < signed.size
    return EntryView(
        "checkpointed" if checkpointed else "sequenced",
        found.number,
        awaited=shard.gathering.awaited(found.number),
        shard=found.shard,
    )


def _proved(shards: Shards, entry: TlogProof, names: Set[str]) -> EntryView:
    cosigned = shards.gathering.witnessed(entry.note)
    shard = shards.find_by_origin(entry.checkpoint.origin)
    anchored = any(one.startswith(package.ANCHORS) for one in names)
    state = "anchored" if anchored else "cosigned" if cosigned else "checkpointed"
    witnesses = tuple(WitnessView(one.witness.name, one.attested_at) for one in cosigned)
    return EntryView(state, entry.index, witnesses, shard=shard.name if shard else FIRST)


def _refused(config: Config, expected: str, found: str) -> Refused:
    return Refused(
        "config.value-refused",
        expected=f"ledger_policy: {expected}",
        found=f"{config.ledger_policy}: {found[:300]}",
        act="mend the setting or the file",
    )
