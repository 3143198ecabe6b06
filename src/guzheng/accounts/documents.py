"""Documents of identity: what may come in, and how they are kept. Hostile until parsed.

A document is what its octets say (JPEG, PNG or PDF), whatever its name or sender says; a
picture must be one that can be drawn, and is never shown as it came: a reviewer sees it drawn
anew, smaller and without what was hidden in it, by a program of its own that reaches nothing
(`painter`). A PDF is not opened here; it can be taken away.

Kept under AES-256-GCM (NIST SP 800-38D), the place bound to the octets, so that one document
cannot stand for another. The key is `keys/documents.key` (0600), for this machine and for S3
alike; which key it is is written into the database when the first document comes, and from then
on no other is taken: a lost key is restored from its copy. Another one is turned to
(`generations`), and what lies under those before is sealed anew (`reseal`), a document at a
time, each in one step: whoever is killed in between goes on.
"""

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine

from guzheng.accounts.generations import DOCUMENTS, Generations, Keys
from guzheng.accounts.name_tables import create
from guzheng.painting import SHARED, CannotDraw, NotDrawn, Wanted
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import Blobs, NotKept, read
from guzheng.store.records import writing

LARGEST: Final = 10 * 2**20  # octets; a scan of a licence has 2 to 5 MB
PIXELS: Final = 60_000_000
SHOWN: Final = 1600  # pixels, the longer side of what a reviewer sees
_NONCE_OCTETS: Final = 12
_LABEL: Final = b"GZD1"  # by the first key; after the other label stands by which
_LATER: Final = b"GZD2"
_GENERATION_OCTETS: Final = 2
_SIGNS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"%PDF-", "application/pdf"),
)
_PILLOW: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a request, as the tables know it."""

    number: int
    media_type: str
    size: int
    sha256: str


def media_type_of(octets: bytes) -> str:
    """What it is, by its octets. Raises Refused for anything but JPEG, PNG and PDF."""
    if len(octets) > LARGEST:
        raise Refused(
            "accounts.document-too-large",
            expected=f"at most {LARGEST:,} octets",
            found=f"{len(octets):,}",
        )
    for sign, media_type in _SIGNS:
        if octets.startswith(sign):
            if media_type in _PILLOW:
                preview(octets, media_type)
            return media_type
    raise Refused(
        "accounts.document-unreadable",
        expected="a picture (JPEG, PNG) or a PDF",
        found=f"octets that begin {octets[:8].hex(' ')}",
    )


def preview(octets: bytes, media_type: str) -> bytes:
    """The picture drawn anew, as JPEG: nothing of its octets but the pixels goes on."""
    wanted = Wanted((_PILLOW[media_type],), PIXELS, SHOWN, SHOWN, quality=85, upright=True)
    try:
        return SHARED.draw(octets, wanted)
    except NotDrawn as error:
        raise _unreadable(str(error)) from error
    except CannotDraw as error:
        if error.installed:
            raise Unavailable("accounts.crowded", expected="fewer at once") from error
        raise Unavailable(
            "accounts.no-pillow",
            expected="Pillow",
            found="none",
            act="the operator installs it",
        ) from error


def _unreadable(found: str) -> Refused:
    return Refused(
        "accounts.document-unreadable",
        expected=f"a picture that can be drawn, of at most {PIXELS:,} pixels",
        found=found,
    )


class Vault:
    """Where documents are kept, each sealed under a key."""

    def __init__(self, blobs: Blobs, keys: Keys, entropy: Callable[[int], bytes]) -> None:
        self._blobs, self._keys, self._entropy = blobs, keys, entropy

    def put(self, name: str, octets: bytes) -> None:
        self._blobs.put(name, [self._sealed(name, octets, self._keys.current())])

    def generation(self, name: str) -> int:
        """By which key it is sealed. Raises Refused where it is kept no longer."""
        return _label_of(self._kept(name))[1]

    def reseal(self, name: str) -> bool:
        """Under the key that seals now, if it lies under another; whether it did."""
        current = self._keys.current()
        if self.generation(name) == current:
            return False
        self._blobs.replace(name, self._sealed(name, self.read(name), current))
        return True

    def _sealed(self, name: str, octets: bytes, generation: int) -> bytes:
        label, nonce = _label(generation), self._entropy(_NONCE_OCTETS)
        return (
            label + nonce + self._aead(generation).encrypt(nonce, octets, label + name.encode())
        )

    def _aead(self, generation: int) -> AESGCM:
        key = self._keys.key(generation)
        return AESGCM(hmac.digest(key, b"guzheng documents: sealed", "sha256"))

    def _kept(self, name: str) -> bytes:
        try:
            return read(self._blobs, name)
        except NotKept as error:
            raise Refused(
                "accounts.document-not-found",
                expected="a document that is still kept",
                found="none: it was deleted when its time was over",
            ) from error

    def read(self, name: str) -> bytes:
        kept = self._kept(name)
        label, generation = _label_of(kept)
        at = len(label)
        nonce, sealed = kept[at : at + _NONCE_OCTETS], kept[at + _NONCE_OCTETS :]
        try:
            return self._aead(generation).decrypt(nonce, sealed, label + name.encode())
        except (InvalidTag, ValueError) as error:
            raise Refused(
                "accounts.document-damaged",
                expected="the document as it was sealed",
                found=name,
                act="the operator restores it from a copy",
            ) from error

    def remove(self, name: str) -> None:
        with contextlib.suppress(NotKept):
            self._blobs.remove(name)

    def mark(self, text: str) -> str:
        """The same for the same text; without the key it tells nothing."""
        return hmac.digest(self._keys.marks(), text.encode(), "sha256").hex()


def _label(generation: int) -> bytes:
    return (
        _LABEL if generation == 1 else _LATER + generation.to_bytes(_GENERATION_OCTETS, "big")
    )


def _label_of(kept: bytes) -> tuple[bytes, int]:
    if not kept.startswith(_LATER):
        return kept[: len(_LABEL)], 1
    label = kept[: len(_LATER) + _GENERATION_OCTETS]
    return label, int.from_bytes(label[len(_LATER) :], "big")


def open_vault(
    folder: Path,
    engine: Engine,
    blobs: Blobs,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> Vault:
    """With the key in this folder; it is made when no document was ever sealed."""
    with writing(engine) as connection:
        create(connection)
    keys = Generations(DOCUMENTS, folder, engine, now, entropy)
    keys.key(keys.current())  # made, or found to be lost, before anything is asked of it
    return Vault(blobs, keys, entropy)
