"""平台披露表: what a court must know of the platform to weigh its evidence (在线诉讼规则 17).

The questions of that article: who runs it, and how he stands to the party; of what the system
is made, and by which technique and process it works. Each answer comes from the record, as it
was at the time of each exhibit, or says that there is none. Nothing is asserted that nobody
recorded: no filing, no audit, no neutrality.
"""

from guzheng import origin, words
from guzheng.proof import instant, sm2
from guzheng.proof.instant import beijing
from guzheng.prove.printing import Issue, Printed, Writer, grouped
from guzheng.prove.told import Told, below, count, listed, text
from guzheng.store.ids import LOCAL

_SIGNATURES = {
    "1.2.840.10045.4.3.2": "ECDSA, SHA-256",
    "1.2.840.113549.1.1.11": "RSA PKCS #1 v1.5, SHA-256",
    sm2.SM2_WITH_SM3: "SM2, SM3",
}


def disclosure(issue: Issue, writer: Writer) -> bytes:
    sections = [
        _operator(issue, writer),
        _relation(issue, writer),
        _keys(issue, writer),
        *(_exhibit(one, writer) for one in issue.told),
        _unsaid(writer),
    ]
    document: Printed = {
        "title": writer.say("disclosure.title"),
        "lead": [writer.say("disclosure.lead")],
        "sections": sections,
        "signatures": [],
        "footer": writer.say("disclosure.footer", digest=issue.evidence_digest.hex[:16]),
        "page_of": writer.say("catalogue.page-of", page="{page}", pages="{pages}"),
    }
    return writer.set("sheet.typ", document, issue.dated_at)


def _section(title: list[str], rows: list[Printed]) -> Printed:
    return {"title": title, "rows": rows, "paragraphs": []}


def _operator(issue: Issue, writer: Writer) -> Printed:
    say = writer.say
    unsaid = say("disclosure.not-filled-in")
    rows = [
        writer.row(
            "disclosure.operator", writer.text(issue.operator) if issue.operator else unsaid
        ),
        writer.row("disclosure.filing", writer.text(issue.filing) if issue.filing else unsaid),
        writer.row(
            "disclosure.address", writer.text(issue.public_url) if issue.public_url else unsaid
        ),
        writer.row("disclosure.version", writer.text(f"guzheng {issue.version}")),
        writer.row("disclosure.source", say("disclosure.source-open")),
    ]
    return _section(say("disclosure.section-operator"), rows)


def _relation(issue: Issue, writer: Writer) -> Printed:
    """Whoever runs the platform for himself is affiliated with himself, and that is said."""
    say = writer.say
    own = [one for one in issue.told if one.account == LOCAL]
    lines = []
    if own:
        lines.append(say("disclosure.affiliated", count=len(own), all=len(issue.told)))
    if len(own) < len(issue.told):
        others = len(issue.told) - len(own)
        lines.append(say("disclosure.other-account", count=others, all=len(issue.told)))
    said = issue.selection.relation
    stated = writer.text(said) if said else say("disclosure.relation-unsaid")
    authority = "own-authority" if issue.own_authority else "outside-authority"
    rows = [
        writer.row("disclosure.relation-record", *lines),
        writer.row("disclosure.relation-stated", stated),
        writer.row("disclosure.authority", say(f"disclosure.{authority}")),
        writer.row("disclosure.interference", say("disclosure.interference-text")),
    ]
    return _section(say("disclosure.section-relation"), rows)


def _keys(issue: Issue, writer: Writer) -> Printed:
    say, text_of = writer.say, writer.text
    roots = [
        line
        for subject, digest in issue.roots
        for line in (text_of(subject), text_of(f"SHA-256 {grouped(digest)}"))
    ]
    rows = [
        writer.row("disclosure.hashes", say("disclosure.hashes-text")),
        writer.row("disclosure.process", say("disclosure.process-text")),
        writer.row("disclosure.roots", *roots),
        writer.row("disclosure.ledger-keys", *map(text_of, map(_short, issue.ledger_vkeys))),
    ]
    return _section(say("disclosure.section-technique"), rows)


def _short(vkey: str) -> str:
    """Name and key id; a key of ML-DSA would fill half a page, and is in the package."""
    return "+".join(vkey.split("+")[:2]) + " (trust/ledger.policy)"


def _exhibit(told: Told, writer: Writer) -> Printed:
    rows = [
        writer.row("disclosure.number", writer.text(f"{told.number} · {told.exhibit}")),
        writer.row("disclosure.environment", *_environment(told, writer)),
        writer.row("disclosure.clock", *_clock(told, writer)),
        writer.row("disclosure.check", *_check(told, writer)),
        writer.row("disclosure.seal", *_seal(told, writer)),
        writer.row("disclosure.ledger", *_ledger(told, writer)),
    ]
    return _section(writer.say("disclosure.section-exhibit", name=told.name), rows)


def _environment(told: Told, writer: Writer) -> list[list[str]]:
    capture = below(told.facts, "capture")
    if not capture:
        return [writer.say(f"disclosure.environment-{told.manifest.kind}")]
    lines = [
        writer.text(f"{text(capture, 'software')} · {text(capture, 'browser') or '—'}"),
        _sandbox(text(capture, "sandbox"), writer),
        writer.say(
            "disclosure.period",
            begun=beijing(told.captured_at),
            ended=_beijing(text(capture, "observed_finished_at")),
        ),
    ]
    found = origin.of_facts(capture)
    if found is not None:
        lines += [writer.say(one) for one in (found.code, *found.because)]
    said = [] if found is None else found.because
    for one in _list(capture.get("notes")):
        if one not in said:  # what the check has said is not said again
            note = words.find_words(str(one), writer.language) or str(one)
            lines.append(writer.say("disclosure.note", note=note))
    return lines


def _sandbox(said: str, writer: Writer) -> list[str]:
    """The kind in words, as on the certificate; one of a later version as it stands."""
    code = f"disclosure.sandbox-{said.partition(': ')[0]}"
    if said and words.find_words(code, writer.language) is not None:
        return writer.say(code)
    return writer.say("disclosure.sandbox", sandbox=said or "—")


def _beijing(at: str) -> str:
    return beijing(instant.parse(at))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _clock(told: Told, writer: Writer) -> list[list[str]]:
    clock = told.clock
    if not clock.standing or clock.since is None:
        return [writer.say("disclosure.clock-none")]
    lines = [
        writer.say(
            f"disclosure.clock-{clock.standing}",
            since=beijing(clock.since),
            profile=clock.profile,
        )
    ]
    if clock.sources:
        lines.append(writer.say("disclosure.clock-sources", names=", ".join(clock.sources)))
    return lines


def _check(told: Told, writer: Writer) -> list[list[str]]:
    """What the platform found when it looked at itself, nearest to the exhibit's arrival."""
    check = told.checked
    if check is None:
        return [writer.say("disclosure.check-none")]
    lines = [
        writer.say(
            "disclosure.check-before" if check.before else "disclosure.check-after",
            number=check.number,
            at=beijing(check.at),
            software=check.software,
        )
    ]
    for passed, code in ((True, "disclosure.check-passed"), (False, "disclosure.check-failed")):
        found = [
            f"{words.find_words(f'selfcheck.{name}', writer.language) or name} ({observed})"
            for name, outcome, observed in check.findings
            if outcome is passed
        ]
        if found:
            lines.append(writer.say(code, findings="; ".join(found)))
    lines.append(
        writer.say("disclosure.check-record", digest=grouped(check.sha256), entry=check.entry)
    )
    return lines


def _seal(told: Told, writer: Writer) -> list[list[str]]:
    seal = below(told.facts, "seal")
    accuracy = count(seal, "accuracy_milliseconds")
    named = _SIGNATURES.get(told.signature, told.signature)
    lines = [
        writer.text(f"{beijing(told.sealed_at)} · {text(seal, 'authority')}"),
        writer.say(
            "disclosure.seal-policy",
            policy=text(seal, "policy"),
            accuracy="—" if accuracy is None else f"{accuracy:,} ms",
        ),
        writer.say("disclosure.seal-signature", algorithm=named),
        writer.text(f"SHA-256 {grouped(told.signer_sha256)}"),
    ]
    for one in listed(told.facts, "further_seals"):
        lines.append(
            writer.say(
                "disclosure.further-seal",
                authority=text(one, "authority"),
                at=_beijing(text(one, "attested_at")),
            )
        )
    return lines


def _ledger(told: Told, writer: Writer) -> list[list[str]]:
    entry = below(told.facts, "entry")
    lines = [
        writer.say(
            "disclosure.entry",
            origin=text(entry, "origin"),
            index=count(entry, "index"),
            size=count(entry, "size"),
        )
    ]
    if not told.witnesses:
        return [*lines, writer.say("disclosure.no-witness")]
    for one in told.witnesses:
        seen = f"{text(one, 'name')} · {_beijing(text(one, 'attested_at'))}"
        lines.append(writer.say("disclosure.witness", seen=seen))
    return lines


def _unsaid(writer: Writer) -> Printed:
    codes = ("audit", "qualification", "content")
    return {
        "title": writer.say("disclosure.section-unsaid"),
        "rows": [],
        "paragraphs": [writer.say(f"disclosure.unsaid-{one}") for one in codes],
    }
