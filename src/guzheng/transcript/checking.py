"""Everything that is checked of one exhibit, in order; what each step rests on is its rule.

A step that fails does not stop the others. Of many connections a step names each that does not
fit, and counts those that do.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, cast

from guzheng.proof import timestamp
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import Digest
from guzheng.proof.errors import DigestMismatch, Inconsistent, Malformed, ProofError, Undecided
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.transcript import container, frames, layout, limits, sealedkeys, trace, warc
from guzheng.transcript.comparing import Asked, Completeness, compare, host_of
from guzheng.transcript.container import Source, Transcript
from guzheng.transcript.keylog import KeyLog
from guzheng.transcript.layout import Layout
from guzheng.transcript.warc import Pair
from guzheng.transcript.wire import Opened, open_all

RULES = {
    "transcript.form": "docs/spec/transcript.md §2",
    "transcript.items": "FIPS 180-4",
    "transcript.index": "docs/spec/transcript.md §3",
    "transcript.stamp": "RFC 3161 §2.4.2",
    "transcript.keys": "RFC 9850",
    "wire.stream": "FIPS 180-4",
    "tls.handshake": "RFC 8446 §4.4.4, RFC 5246 §7.4.9",
    "tls.origin": "RFC 8446 §4.4.3, RFC 8422 §5.4",
    "tls.records": "RFC 8446 §5.2",
    "tls.chain": "docs/spec/capture.md §4",
    "http": "RFC 9112, RFC 9113",
    "archive.form": "ISO 28500:2017",
    "archive.exchanges": "docs/spec/completeness.md §3",
    "trace": "docs/spec/trace.md",
}
_BLOCK = 1 << 20
_ALL_THREE = "record, transcript and archive"
_STAMP = "moments/transcript.tsa"
_ITEMS = (
    container.TRANSCRIPT,
    container.ARCHIVE,
    container.LAYOUT,
    container.FRAMES,
    container.KEYS,
)


@dataclass(slots=True)
class Findings:
    findings: list[Finding] = field(default_factory=list[Finding])

    def passed(self, step: str, found: str = "") -> None:
        self.findings.append(Finding(step, RULES[step], Outcome.PASSED, "ok", found=found))

    def fault(self, step: str, error: ProofError, subject: str = "") -> None:
        outcome = Outcome.NOT_CHECKED if isinstance(error, Undecided) else Outcome.FAILED
        why = (error.code, subject, error.expected, error.found)
        self.findings.append(Finding(step, RULES[step], outcome, *why))

    def skipped(self, step: str, what: str) -> None:
        self.fault(step, Undecided("step.input-missing", what, "none, or refused above"))


@dataclass(slots=True)
class Examined:
    """What came of it. `completeness` is absent where it could not be counted."""

    exhibit: str
    findings: Findings = field(default_factory=Findings)
    record: CaptureRecord | None = None
    transcript: Transcript | None = None
    opened: list[Opened] = field(default_factory=list[Opened])
    pairs: list[Pair] | None = None  # None: no archive, or one that cannot be read
    completeness: Completeness | None = None
    layout: Layout | None = None
    trace: dict[str, object] | None = None

    @property
    def report(self) -> Report:
        return Report(tuple(self.findings.findings))


def examine(
    source: Source, keys: bytes | None, password: bytes | None, record: bytes | None = None
) -> Examined:
    """`record` stands for capture.json where that is not written yet."""
    found = Examined(source.name)
    _read_record(found, source, record)
    _read_items(found, source)
    _read_transcript(found, source)
    key_log = _read_keys(found, source, keys, password)
    if found.transcript is not None:
        found.opened = open_all(found.transcript, key_log)
        _tell_connections(found)
    _tell_chain(found)
    _read_archive(found, source)
    _compare(found)
    _trace(found, source)
    return found


def _read_record(found: Examined, source: Source, given: bytes | None) -> None:
    try:
        octets = given or source.whole(container.RECORD, limits.RECORD_OCTETS)
        if octets is not None:
            found.record = CaptureRecord.parse(octets)
            found.exhibit = str(found.record.fields["exhibit"])
    except ProofError as error:
        found.findings.fault("transcript.items", error, container.RECORD)


def _read_items(found: Examined, source: Source) -> None:
    """The files are those that the record names; a draft of a record names none yet."""
    named = {one.name: one for one in found.record.artefacts} if found.record else {}
    count = 0
    layouts = sorted(name for name in named if name.startswith(frames.LAYOUTS))
    for name in (*_ITEMS, *(f"items/{one}" for one in layouts)):
        item = named.get(name.removeprefix("items/"))
        if item is None:
            continue
        try:
            stream = source.find(name)
            if stream is None:
                raise Malformed("transcript.item-missing", name, "none")
            digest = _digest_of(stream)
            if digest != item.sha256:
                raise DigestMismatch("transcript.item-altered", item.sha256, digest)
            count += 1
        except Malformed as error:
            if name != container.KEYS:  # withheld unless asked for
                found.findings.fault("transcript.items", error, name)
        except ProofError as error:
            found.findings.fault("transcript.items", error, name)
    if count:
        found.findings.passed("transcript.items", str(count))


def _digest_of(stream: BinaryIO) -> Digest:
    hasher = hashlib.sha256()
    stream.seek(0)
    while part := stream.read(_BLOCK):
        hasher.update(part)
    stream.seek(0)
    return Digest("sha256", hasher.digest())


def _read_transcript(found: Examined, source: Source) -> None:
    try:
        stream = source.find(container.TRANSCRIPT)
        if stream is None:
            found.findings.skipped("transcript.form", container.TRANSCRIPT)
            return
        found.transcript = Transcript.open(stream)
        found.findings.passed("transcript.form", str(found.transcript.index_digest))
    except ProofError as error:
        found.findings.fault("transcript.form", error, container.TRANSCRIPT)
        return
    _index_against_record(found, found.transcript)
    stamp = source.whole(_STAMP, 1 << 20)
    if stamp is None:
        return
    try:
        token = timestamp.parse(stamp)
        if token.imprint != found.transcript.index_digest.value:
            wanted = found.transcript.index_digest.value
            raise DigestMismatch("transcript.index-differs", wanted, token.imprint)
        found.findings.passed("transcript.stamp", str(token.attested_at))
    except ProofError as error:
        found.findings.fault("transcript.stamp", error, _STAMP)


def _index_against_record(found: Examined, transcript: Transcript) -> None:
    if found.record is None:
        found.findings.skipped("transcript.index", container.RECORD)
        return
    try:
        if transcript.index.exhibit != found.exhibit:
            names = (found.exhibit, transcript.index.exhibit)
            raise Inconsistent("transcript.index-differs", *names)
        said = cast("dict[str, object] | None", found.record.fields.get("transcript"))
        if said is None:
            raise Undecided("transcript.index-unsaid", "its digest on the record", "none")
        if said["index"] != str(transcript.index_digest):
            digests = (said["index"], transcript.index_digest)
            raise DigestMismatch("transcript.index-differs", *digests)
        for mine, theirs in zip(
            _record_connections(found.record), _index_connections(transcript), strict=False
        ):
            if mine != theirs:
                raise Inconsistent("transcript.index-differs", mine, theirs)
        found.findings.passed("transcript.index", str(transcript.index_digest))
    except ProofError as error:
        found.findings.fault("transcript.index", error)


def _record_connections(record: CaptureRecord) -> Iterable[tuple[object, ...]]:
    listed = cast("list[dict[str, object]]", record.fields["connections"])
    names = ("number", "host", "port", "peer", "outcome", "sent", "received")
    yield from (tuple(one[name] for name in names) for one in listed)
    yield ("end",)


def _index_connections(transcript: Transcript) -> Iterable[tuple[object, ...]]:
    for one in transcript.index.connections:
        octets = (one.sent.octets, one.received.octets)
        yield (one.number, one.host, one.port, one.peer, one.outcome, *octets)
    yield ("end",)


def _read_keys(
    found: Examined, source: Source, keys: bytes | None, password: bytes | None
) -> KeyLog:
    try:
        octets = keys
        if octets is None and password is not None:
            sealed = source.whole(container.KEYS, limits.KEY_LOG_OCTETS)
            octets = None if sealed is None else sealedkeys.opened(sealed, password)
        if octets is None:
            found.findings.skipped("transcript.keys", "a key log, or the key of the sealed one")
            return KeyLog({})
        log = KeyLog.parse(octets)
        said = found.record.fields.get("tls_keys") if found.record else None
        digest = Digest("sha256", hashlib.sha256(octets).digest())
        if said and (wanted := cast("dict[str, object]", said)["clear"]) != str(digest):
            raise DigestMismatch("transcript.key-log-differs", wanted, digest)
        found.findings.passed("transcript.keys", str(len(log.secrets)))
    except ProofError as error:
        found.findings.fault("transcript.keys", error)
        return KeyLog({})
    return log


def _tell_connections(found: Examined) -> None:
    counts = defaultdict[str, int](int)
    for one in found.opened:
        subject = f"{one.told.number} {one.told.host}:{one.told.port}"
        faults = [] if one.is_unfinished else one.faults
        for step, error in faults:
            found.findings.fault(step, error, subject)
        wrong = {step for step, _ in faults}
        counts["wire.stream"] += "wire.stream" not in wrong
        if one.session is not None and not one.is_unfinished:
            counts["tls.handshake"] += one.session.finished == (True, True)
            counts["tls.origin"] += bool(one.session.scheme) or one.resumed_of is not None
            if not one.session.scheme and "tls.origin" not in wrong | {"tls.handshake"}:
                _tell_unsigned(found, one, subject)
        counts["http"] += len(one.exchanges)
    for step, count in counts.items():
        if count:
            found.findings.passed(step, str(count))


def _tell_unsigned(found: Examined, one: Opened, subject: str) -> None:
    if one.resumed_of is None and not {"tls.handshake"} & {step for step, _ in one.faults}:
        wanted = "a signature by the site's key, or an earlier connection with one"
        error = Undecided("transcript.origin-unsigned", wanted, "neither")
        found.findings.fault("tls.origin", error, subject)


def _tell_chain(found: Examined) -> None:
    """The leaf that the browser reported is one that the site showed on the wire."""
    if found.record is None:
        return
    shown = defaultdict[str, set[str]](set)
    by_number = {one.told.number: one for one in found.opened}
    for one in found.opened:
        origin = by_number.get(one.resumed_of or 0, one)
        for exchange in one.exchanges:
            shown[host_of(exchange.url)] |= {str(leaf) for leaf in origin.chain[:1]}
    count = 0
    for entry in cast("list[dict[str, object]]", found.record.fields["tls"]):
        host, chain = str(entry["host"]), cast("list[str]", entry["chain"])
        leafs = shown.get(host_of(f"https://{host}/"))
        if not chain or not leafs:
            error: ProofError = Undecided("transcript.leaf-unseen", host, "no handshake")
            found.findings.fault("tls.chain", error, host)
        elif chain[0] not in leafs:
            error = DigestMismatch("transcript.leaf-differs", chain[0], min(leafs))
            found.findings.fault("tls.chain", error, host)
        else:
            count += 1
    if count:
        found.findings.passed("tls.chain", str(count))


def _read_archive(found: Examined, source: Source) -> None:
    if found.record is not None and found.record.failed:
        return  # an attempt has none: docs/spec/capture.md §9
    try:
        stream = source.find(container.ARCHIVE)
        if stream is None:
            found.findings.skipped("archive.form", container.ARCHIVE)
            return
        found.pairs = warc.pairs_in(stream)
        found.findings.passed("archive.form", str(len(found.pairs)))
    except ProofError as error:
        found.findings.fault("archive.form", error, container.ARCHIVE)


def _compare(found: Examined) -> None:
    if found.record is not None and found.record.failed:
        return
    if found.record is None or found.transcript is None or found.pairs is None:
        found.findings.skipped("archive.exchanges", _ALL_THREE)
        return
    found.completeness = compare(requests_of(found.record), found.pairs, found.opened)
    for one in found.completeness.contradictions:
        seen = f"{one.why}: {one.detail}" if one.detail else one.why
        error = Inconsistent("transcript.exchange-differs", "the same in both", seen)
        found.findings.fault("archive.exchanges", error, f"{one.method} {one.url}")
    compared = found.completeness.compared
    if found.completeness.unread:
        wanted = "every connection opened, every body readable"
        undecided = Undecided("transcript.not-all-compared", wanted, f"{compared} compared")
        found.findings.fault("archive.exchanges", undecided)
    elif not found.completeness.contradictions:
        found.findings.passed("archive.exchanges", str(compared))


def _trace(found: Examined, source: Source) -> None:
    """Made again from what it is derived from; the one that came along must be the same."""
    try:
        octets = source.whole(container.LAYOUT, limits.LAYOUT_OCTETS)
        if octets is None:
            return
        if found.completeness is None:
            found.findings.skipped("trace", _ALL_THREE)
            return
        found.layout = layout.parse(octets, _frames(source), partial(_layout, source))
        found.trace = trace.trace_of(
            found.exhibit, found.layout, found.completeness, found.opened
        )
        brought = source.whole(container.TRACE, limits.LAYOUT_OCTETS)
        if brought is None:
            return
        if any(not one.is_opened and not one.is_empty for one in found.opened):
            raise Undecided("step.input-missing", "every connection opened", "not all")
        made = trace.encode(found.trace)
        if made != brought:
            sizes = (f"{len(made)} octets", f"{len(brought)} octets, or others")
            raise Inconsistent("transcript.trace-differs", *sizes)
        found.findings.passed("trace", str(len(found.layout.nodes)))
    except ProofError as error:
        found.findings.fault("trace", error, container.LAYOUT)


def _frames(source: Source) -> Sequence[frames.Framed] | None:
    octets = source.whole(container.FRAMES, limits.LAYOUT_OCTETS)
    return None if octets is None else frames.parse(octets)


def _layout(source: Source, name: str) -> bytes:
    octets = source.whole(f"items/{name}", limits.LAYOUT_OCTETS)
    if octets is None:
        raise Undecided("step.input-missing", name, "none")
    return octets


def requests_of(record: CaptureRecord) -> list[Asked]:
    listed = cast("list[dict[str, object]]", record.fields["requests"])
    return [
        Asked(
            cast(int, one["number"]),
            str(one["method"]),
            str(one["url"]),
            str(one["outcome"]),
            str(one["why"]),
        )
        for one in listed
    ]
