"""From the facts of a certificate to what is printed: a pure function, nothing but derivation.

The facts are the object of certificate.json (docs/spec/certificate.md). What comes out is a
tree of texts, lists and integers that the template sets without understanding it, so no fact
is ever read as markup. Every word is either a sentence of `wording` or a fact; a fact that is
missing is said to be missing. Facts that do not have the shape of the schema raise
`Malformed`, and facts of a later schema are refused rather than half printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guzheng.certify import attempts, origins, sections, wording
from guzheng.certify.facts import Facts
from guzheng.certify.pen import Pen, Printed
from guzheng.certify.wording import Phrase
from guzheng.proof.instant import beijing
from guzheng.proof.manifest import ATTEMPT

# Poppler's tool makes no folder, and the tokens have names with one in it.
_DETACH = "mkdir -p tokens && pdfdetach -enc UTF-8 -saveall certificate.pdf"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is printed but is no fact of the exhibit: by whom and with what it is issued."""

    drawn: frozenset[int]
    signed_by: str
    attached: Sequence[str] = ()
    public_url: str | None = None
    operator_runs_authority: bool = True


def document_of(facts: Mapping[str, object], given: Circumstances) -> Printed:
    """Everything that the certificate shows, in the order in which it is shown."""
    read = Facts.read(facts)
    address = _address(read, given)
    pen = Pen(given.drawn)
    failed = read.kind == ATTEMPT
    capture = attempts.section if failed else sections.web
    lead = wording.LEAD.filled(at=beijing(read.sealed_at))
    numbered = [
        sections.exhibit(read, pen),
        *([capture(read.capture, pen)] if read.capture else []),
        sections.fingerprints(read, pen),
        sections.time(read, pen),
        sections.issue(read, pen, own_authority=given.operator_runs_authority),
    ]
    printed: Printed = {
        "title": (wording.FAILED_TITLE if failed else wording.TITLE).value(),
        "number": read.number,
        "number_label": wording.NUMBER.value(),
        "lead": (attempts.lead(read) if failed else lead).value(),
        "band": {"before": _lower_bound(read, pen), "after": _upper_bound(read, pen)},
        "sections": numbered,
        "annex": sections.annex(read, pen),
        "proves": _box(wording.PROVES, _proved(read), pen),
        "proves_not": _box(wording.PROVES_NOT, _not_proved(read), pen),
        "states": _box(wording.STATES, _stated(read), pen),
        "how": _how(address, pen, "capture.json" if failed else "FILE"),
        "attachments": _attachments(given.attached),
        "signed_by": {**wording.SIGNED_BY.value(), "name": pen.parts(given.signed_by)},
        "verify": pen.parts(address) if address else [],
        "verify_label": wording.VERIFY.value(),
    }
    notices = [wording.MECHANISM, wording.LEGAL_NOTICE]
    if pen.wrote_out:
        notices.insert(0, wording.WRITTEN_OUT)
    printed["notices"] = [phrase.value() for phrase in notices]
    return printed


def code_of(facts: Mapping[str, object], given: Circumstances) -> str:
    """What the square code holds: where to verify, or what to compare where there is no net."""
    read = Facts.read(facts)
    return _address(read, given) or f"{read.number} {read.manifest_digests[0]}"


def _address(read: Facts, given: Circumstances) -> str | None:
    # Behind the # it stays in the reader's browser: verifying tells nobody which exhibit it is.
    return f"{given.public_url.rstrip('/')}/verify#{read.number}" if given.public_url else None


def _upper_bound(read: Facts, pen: Pen) -> Printed:
    return {
        "label": wording.NOT_AFTER.value(),
        "value": beijing(read.sealed_at),
        "known": True,
        "source": pen.phrase(wording.BY_SEAL),
    }


def _lower_bound(read: Facts, pen: Pen) -> Printed:
    bound = read.not_before
    if bound is None:
        return {
            "label": wording.NOT_BEFORE.value(),
            "value": wording.NO_LOWER_BOUND.zh,
            "known": False,
            "source": pen.phrase(wording.NO_LOWER_BOUND_MEANING),
        }
    return {
        "label": wording.NOT_BEFORE.value(),
        "value": beijing(bound.at),
        "known": True,
        "source": pen.phrase(sections.lower_bound_source(bound.contained_in, bound.source)),
    }


def _box(title: Phrase, points: Sequence[Phrase], pen: Pen) -> Printed:
    return {"title": title.value(), "points": [pen.phrase(point) for point in points]}


def _proved(read: Facts) -> list[Phrase]:
    if read.kind == ATTEMPT:
        return attempts.proved(read)
    entry = read.entry
    return [
        wording.PROVES_EXISTENCE,
        wording.PROVES_UNCHANGED,
        wording.PROVES_ENTRY.filled(origin=entry.origin, index=entry.index),
    ]


def _stated(read: Facts) -> list[Phrase]:
    if read.kind == ATTEMPT:
        return attempts.stated(read)
    stated = [wording.STATES_RECEIVED.filled(at=beijing(read.observed_at))]
    return [*stated, wording.STATES_WEB] if read.capture else stated


def _not_proved(read: Facts) -> list[Phrase]:
    if read.kind == ATTEMPT:
        return attempts.not_proved()
    bound = read.not_before  # of what was written: the files themselves may be older
    return [
        wording.NOT_TRUTH,
        wording.NOT_AUTHOR_ATTESTED if read.attested_applicant else wording.NOT_AUTHOR,
        wording.NOT_MANNER,
        *([] if bound and bound.contained_in == "content" else [wording.NOT_EARLIEST]),
        *([wording.NOT_ORIGIN] if read.capture and origins.failed(read.capture) else []),
        *([wording.NOT_OTHERS] if read.capture else []),
        wording.NOT_ADMISSION,
    ]


def _how(address: str | None, pen: Pen, file: str) -> Printed:
    """The steps, each with the command lines that any machine with the tools can run."""
    sealed: tuple[str, ...] = (
        "openssl ts -verify -data manifest.json -in seal.tsa -CAfile roots.pem",
        "openssl ts -verify -data FILE -in tokens/FILE.tsa -CAfile roots.pem",
    )
    packed: tuple[str, ...] = (
        "guzheng-verify PACKAGE",
        "guzheng-verify FILE tokens/FILE.tsa --roots roots.pem",
    )
    if file != "FILE":  # a failed capture has no originals, and so no tokens of theirs
        sealed, packed = sealed[:1], packed[:1]
    steps: list[tuple[Phrase, tuple[str, ...]]] = [
        (wording.HOW_EXTRACT, (_DETACH, f"sha256sum {file}")),
        (wording.HOW_SEAL, sealed),
        (wording.HOW_PACKAGE, packed),
        (wording.HOW_SIGNATURE, ("pdfsig certificate.pdf",)),
    ]
    if address:
        steps.insert(0, (wording.HOW_ONLINE.filled(address=address), ()))
    return {
        "title": wording.HOW.value(),
        "steps": [
            {"phrase": pen.phrase(phrase), "commands": list(lines)} for phrase, lines in steps
        ],
        "roots": pen.phrase(wording.HOW_ROOTS),
    }


def _attachments(attached: Sequence[str]) -> Printed:
    known = [name for name in wording.ATTACHED if name in attached]
    tokens = sum(name.startswith("tokens/") for name in attached)
    listed: list[Printed] = [{"name": name, **wording.ATTACHED[name].value()} for name in known]
    further = sorted(one for one in attached if one.startswith("seal.") and one not in known)
    listed += [{"name": one, **wording.ATTACHED_SEALS.value()} for one in further]
    moments = sum(name.startswith("moments/") for name in attached)
    if moments:
        listed.append({"name": f"moments/* × {moments}", **wording.ATTACHED_MOMENTS.value()})
    if tokens:
        listed.append({"name": f"tokens/*.tsa × {tokens}", **wording.ATTACHED_TOKENS.value()})
    return {"title": wording.ATTACHMENTS.value(), "listed": listed}
