"""Station 4, certify (出证): the human sentence, signed; every word derivable from the papers.

Takes the facts (certificate.json, made by `proof.certificate`), the papers to attach, and a
`DocumentSigner`. Gives the certificate as octets: PDF/A-3a, the papers inside, one PAdES B-T
signature over the whole file. Specification: docs/spec/certificate.md.

May fail: `Unavailable` (certify.no-fonts, certify.timestamp-unsound, and whatever the timestamp
authority raises); `proof.Malformed` for facts or paper names out of their schema. It reads no
clock and no network, and stores nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from guzheng.certify.document import Circumstances, code_of, document_of
from guzheng.certify.fonts import Face, find_face, packaged_face
from guzheng.certify.pen import Pen
from guzheng.certify.press import Press, square_code
from guzheng.certify.signature import DocumentSigner
from guzheng.words import LANGUAGES, catalogue

__all__ = [
    "DocumentSigner",
    "Face",
    "Press",
    "Printer",
    "certify",
    "find_face",
    "make_ready",
    "packaged_face",
]


def certify(
    facts: Mapping[str, object],
    papers: Mapping[str, bytes],
    signer: DocumentSigner,
    *,
    signed_at: datetime,
    public_url: str | None = None,
    operator_runs_authority: bool = True,
    press: Press | None = None,
) -> bytes:
    """The signed certificate. `public_url` is the site's address, where one verifies."""
    press = press or _press()
    given = Circumstances(
        drawn=press.face.drawn,
        signed_by=signer.name,
        attached=tuple(papers),
        public_url=public_url,
        operator_runs_authority=operator_runs_authority,
    )
    printed = press.print(
        document_of(facts, given), code_of(facts, given), papers, dated_at=signed_at
    )
    return signer.sign(printed, signed_at=signed_at)


def make_ready() -> None:
    """Load what the first certificate of a process would wait for: fonts, press, words.
    `Unavailable` (certify.no-fonts) as `certify` itself."""
    press = _press()
    for language in LANGUAGES:
        catalogue(language)
    press.set(b"", {}, dated_at=datetime(2000, 1, 1, tzinfo=UTC))  # typst opens its fonts


@cache
def _press() -> Press:
    """One press for the process: starting one costs ten times what a certificate does."""
    return Press(find_face())


class Printer:
    """The same press for documents of others: those that go beside the exhibits to a court."""

    def parts(self, text: str) -> list[str]:
        """The text made visible, and cut where a line may break."""
        return Pen(_press().face.drawn).parts(text)

    def code(self, text: str) -> str:
        return square_code(text)

    def set(
        self, template: bytes, document: Mapping[str, object], *, dated_at: datetime
    ) -> bytes:
        """PDF/A-3a; the same document and date give the same bytes."""
        return _press().set(template, dict(document), dated_at=dated_at)
