"""What the documents of a package are written with: a language, a press, and where they go.

The press is the one that certificates are printed by; this station asks for it as a port, since
no station knows another. A document is a tree of texts: nothing in it is ever read as markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Protocol

from guzheng import words
from guzheng.proof import package
from guzheng.proof.digest import Digest
from guzheng.prove.selection import Chosen, Selection
from guzheng.prove.told import Told, listing_of

Printed = dict[str, object]
_GROUP = 8


class Printer(Protocol):
    """Makes text visible, draws a QR code, sets a document as PDF/A-3a."""

    def parts(self, text: str) -> list[str]: ...

    def code(self, text: str) -> str: ...

    def set(
        self, template: bytes, document: Mapping[str, object], *, dated_at: datetime
    ) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Issue:
    """One volume of a package, about to be written. `told` is in the order of the list."""

    selection: Selection
    told: Sequence[Told]
    first: int  # number of its first exhibit in the whole list
    volume: str  # A, B, …; empty where there is one only
    volumes: int
    medium: str  # iso, zip or folder
    operator: str
    filing: str
    public_url: str
    own_authority: bool
    ledger_vkeys: tuple[str, ...]
    roots: tuple[tuple[str, str], ...]  # subject, SHA-256
    version: str

    @property
    def dated_at(self) -> datetime:
        """The latest seal: no clock is asked, so the same package is the same octets."""
        return max(one.sealed_at for one in self.told)

    @property
    def evidence_digest(self) -> Digest:
        listing: dict[str, Digest] = {}
        for one in self.told:
            listing |= listing_of(one)
        return package.evidence_digest(listing)

    def said_of(self, exhibit: str) -> Chosen:
        return next(one for one in self.selection.entries if one.exhibit == exhibit)


@dataclass(frozen=True, slots=True)
class Writer:
    """The words of one language, made visible."""

    printer: Printer
    language: words.Language

    def say(self, code: str, **facts: object) -> list[str]:
        return self.printer.parts(words.say(code, self.language, **facts))

    def text(self, text: str) -> list[str]:
        return self.printer.parts(text)

    def row(self, code: str, *lines: list[str]) -> Printed:
        return {"label": self.say(code), "lines": list(lines)}

    def set(self, template: str, document: Printed, dated_at: datetime) -> bytes:
        octets = files(__package__).joinpath(template).read_bytes()
        return self.printer.set(
            octets, {**document, "language": self.language}, dated_at=dated_at
        )


def grouped(digits: str) -> str:
    return " ".join(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP))


def carrier_code(medium: str) -> str:
    """What the volume is called: a disc, a medium, a file."""
    return f"carrier.{medium}"
