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

from guzheng.app.views import EntryView, LedgerStanding, WitnessView
from guzheng.config import Config
from guzheng.ledger import Gathering, HttpWitness, Ledger, Monitor, Place, Sizes
from guzheng.ledger.anchors import AnchorBook
from guzheng.ledger.ledger import CHECKPOINT
from guzheng.proof import package, policy
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Note
from guzheng.proof.policy import NONE, LedgerPolicy
from guzheng.proof.report import Report
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import Blobs

SIZES = "witness-sizes.json"
_LOOK_SECONDS = 5.0


def ledger_policy(config: Config, ledger: Ledger) -> LedgerPolicy:
    """What a certificate of this installation demands; its own keys first."""
    own = tuple(str(key) for key in ledger.signer.keys)
    if not config.ledger_policy:
        return LedgerPolicy(own, NONE)
    try:
        octets = Path(config.ledger_policy).read_bytes()
        lines = [line.split() for line in octets.splitlines()]
        if not any(words[:1] == [b"log"] for words in lines):
            octets = f"log {ledger.vkey}\n".encode() + octets
        stated = policy.parse_ledger_policy(octets)
    except (OSError, ProofError) as error:
        found = error.found if isinstance(error, ProofError) else error.strerror
        raise _refused(config, "a C2SP tlog-policy file", str(found)) from error
    if not set(own) & set(stated.logs):
        raise _refused(config, f"a log line with {ledger.vkey}", ", ".join(stated.logs))
    others = tuple(one for one in stated.logs if one not in own)
    return dataclasses.replace(stated, logs=(*own, *others))


def open_gathering(config: Config, ledger: Ledger, now: Callable[[], datetime]) -> Gathering:
    """The ledger bound to the witnesses of the policy, all of which must have a URL."""
    demanded = ledger_policy(config, ledger)
    shown = dict(one.partition("=")[::2] for one in config.ledger_monitoring)
    unknown = shown.keys() - {one.name for one in demanded.witnesses}
    if unknown:
        raise Refused(
            "config.value-refused",
            expected="ledger_monitoring: NAME=URL of witnesses of the policy",
            found=", ".join(sorted(unknown)),
            act="mend the setting",
        )
    witnesses = [
        HttpWitness(
            one,
            timeout_seconds=config.ledger_witness_seconds,
            monitoring=shown.get(one.name),
            now=now,
        )
        for one in demanded.witnesses
    ]
    return Gathering(
        ledger,
        demanded,
        witnesses,
        Sizes(config.data / SIZES),
        seconds=config.ledger_witness_seconds,
    )


@contextlib.contextmanager
def kept_up(gathering: Gathering) -> Iterator[None]:
    """While a server runs: what nobody waits for is published too, and soon.

    Commitments of others and records of the platform have no road of their own."""
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(_LOOK_SECONDS):
            with contextlib.suppress(Problem):  # the next round tries again
                gathering.catch_up()

    thread = threading.Thread(target=keep, name="ledger-keeps-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def standing_of(gathering: Gathering, ledger: Ledger) -> LedgerStanding:
    signed, published = ledger.signed(), ledger.published()
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
    )


def monitored(
    config: Config,
    gathering: Gathering,
    ledger: Ledger,
    blobs: Blobs,
    served: Sequence[str],
    mirrors: Sequence[str],
) -> Report:
    """Every place that says something of this ledger, compared; see ledger.monitor."""
    seconds = config.ledger_witness_seconds

    def places(urls: Sequence[str]) -> tuple[Place, ...]:
        return tuple(Place(one, timeout_seconds=seconds) for one in urls)

    book = AnchorBook(blobs, ledger.origin, (), timedelta(), _never)
    return Monitor(
        ledger,
        gathering.policy,
        witnesses=gathering.witnesses,
        served=places(served),
        mirrors=places([*config.ledger_mirrors, *mirrors]),
        anchored=[(one.place, one.note) for one in book.anchored() if one.receipts],
    ).report()


def _never() -> datetime:
    raise AssertionError("nothing is anchored here")


def find_entry(
    gathering: Gathering, ledger: Ledger, papers: Mapping[str, bytes | None], names: Set[str]
) -> EntryView | None:
    """How far the entry of these papers has come; None before it has a number."""
    proof, leaf = papers.get(package.ENTRY), papers.get(package.LEAF)
    try:
        entry = TlogProof.parse(proof) if proof is not None else None
        if entry is not None:
            return _proved(gathering, entry, names)
    except ProofError:  # damage: fsck names it, a page does not break on it
        return None
    index = ledger.entries.index_of(leaf) if leaf is not None else None
    if index is None:
        return None
    signed = ledger.signed()
    state = "checkpointed" if signed is not None and index < signed.size else "sequenced"
    return EntryView(state, index, awaited=gathering.awaited(index))


def _proved(gathering: Gathering, entry: TlogProof, names: Set[str]) -> EntryView:
    cosigned = gathering.witnessed(entry.note)
    anchored = any(one.startswith(package.ANCHORS) for one in names)
    state = "anchored" if anchored else "cosigned" if cosigned else "checkpointed"
    witnesses = tuple(WitnessView(one.witness.name, one.attested_at) for one in cosigned)
    return EntryView(state, entry.index, witnesses)


def _refused(config: Config, expected: str, found: str) -> Refused:
    return Refused(
        "config.value-refused",
        expected=f"ledger_policy: {expected}",
        found=f"{config.ledger_policy}: {found[:300]}",
        act="mend the setting or the file",
    )
