"""The printing press: a document and its attachments become PDF/A-3a, by typst.

One press keeps one typst compiler, since starting one costs ten times what a certificate does.
The compiler sees the fonts of its Face and a folder that holds the text of this one document,
as JSON, with its attachments, and nothing else of the machine. It refuses to write a file that
is not PDF/A-3a (ISO 19005-3, level A). The same document, attachments and date give the same
bytes, whatever was printed before.

What two certificates have in common typst lays out once, as long as nothing around it differs:
so the text comes from a file (an input of the compiler would be around everything), and the
template says what differs neither in a rule of the page nor before what is common.
"""

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Final

import segno
import typst

from guzheng.certify.fonts import Face
from guzheng.certify.pen import Printed
from guzheng.proof import canonical
from guzheng.proof.digest import sha256
from guzheng.proof.package import CERTIFICATE_JSON as _FACTS
from guzheng.proof.package import require_member_name

STANDARD: Final = "a-3a"


@dataclass(frozen=True, slots=True)
class _Kind:
    media_type: str
    relationship: str  # AFRelationship, ISO 19005-3 §6.8


# The facts the page was made from are its data; what those were derived from is the source.
_TWIN = _Kind("application/json", "data")
_JSON = _Kind("application/json", "source")
_TOKEN = _Kind("application/timestamp-reply", "supplement")
_TEXT = _Kind("text/plain", "supplement")
_OCTETS = _Kind("application/octet-stream", "supplement")
_PINE = "#12342b"
_DOCUMENT: Final = "document.json"  # where the templates read it; attachments are numbers


class Press:
    """Prints one certificate at a time; threads may share it."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._template = files(__package__).joinpath("certificate.typ").read_bytes()
        fonts = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=True,
            font_paths=[str(face.folder)],
        )
        self._compiler = typst.Compiler(font_paths=fonts)
        self._printing = Lock()  # typst's compiler refuses a second caller at once

    def print(
        self, document: Printed, code: str, papers: Mapping[str, bytes], *, dated_at: datetime
    ) -> bytes:
        """The PDF, not yet signed; `papers` are attached, `code` is in the square code."""
        names = sorted(papers)
        for name in names:  # a token is named for its original, which may fill the limit
            require_member_name(name.removesuffix(".tsa"))
        dated = dated_at.astimezone(UTC).replace(microsecond=0)
        whole: Printed = {
            **document,
            **self._circumstances(dated),
            # In the metadata, which PDF/A leaves uncompressed: of which facts this page speaks.
            "speaks_of": [f"{_FACTS} {sha256(papers[_FACTS])}"] if _FACTS in papers else [],
            "code": square_code(code),
            "code_meaning": code,
            "attached": [
                {
                    "name": name,
                    "file": f"/{number}",
                    "media_type": _kind_of(name).media_type,
                    "relationship": _kind_of(name).relationship,
                }
                for number, name in enumerate(names)
            ],
        }
        with tempfile.TemporaryDirectory(prefix="guzheng-certificate-") as folder:
            for number, name in enumerate(names):
                # By number: a name from outside never becomes a path of ours.
                (Path(folder) / str(number)).write_bytes(papers[name])
            return self._compiled(self._template, whole, Path(folder), dated)

    def set(self, template: bytes, document: Printed, *, dated_at: datetime) -> bytes:
        """Another kind of document, which has its own template and nothing attached."""
        dated = dated_at.astimezone(UTC).replace(microsecond=0)
        whole: Printed = {**document, **self._circumstances(dated)}
        with tempfile.TemporaryDirectory(prefix="guzheng-document-") as folder:
            return self._compiled(template, whole, Path(folder), dated)

    def _circumstances(self, dated: datetime) -> Printed:
        fields = ("year", "month", "day", "hour", "minute", "second")
        face = {"sans": self.face.sans, "serif": self.face.serif, "bold": self.face.bold}
        return {"face": face, "dated": {field: getattr(dated, field) for field in fields}}

    def _compiled(
        self, template: bytes, document: Printed, folder: Path, dated: datetime
    ) -> bytes:
        (folder / _DOCUMENT).write_bytes(canonical.encode(document))
        with self._printing:
            printed = self._compiler.compile(
                template,
                root=str(folder),
                format="pdf",
                pdf_standards=[STANDARD],
                timestamp=dated,
            )
        if not isinstance(printed, bytes):
            raise TypeError(f"typst gave {type(printed).__name__}, not one PDF")
        return printed


def _kind_of(name: str) -> _Kind:
    if name == _FACTS:
        return _TWIN
    if name.endswith(".json"):
        return _JSON
    if name.endswith(".tsa"):
        return _TOKEN
    return _TEXT if name.endswith((".tlog-proof", ".note", ".pem", ".md")) else _OCTETS


def square_code(text: str) -> str:
    """A QR code as SVG."""
    drawing = io.BytesIO()
    segno.make_qr(text, error="m").save(drawing, kind="svg", dark=_PINE, border=0)
    return drawing.getvalue().decode()
