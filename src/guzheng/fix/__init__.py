"""Station 2, fix (固化): no later than when these bytes existed, in an authority's signed word.

Takes a manifest that is already durable, and an authority: our own (`LocalAuthority`) or any
RFC 3161 authority over HTTP (`HttpAuthority`). Gives papers: `tokens/<name>.tsa` over each
original and `seal.tsa` over the manifest, each checked before it is handed on. Specification:
docs/spec/seal.md.

May fail: `Unavailable` (fix.authority-…, fix.answer-unsound) when no sound answer is to be had;
`Refused` (fix.keys-…, fix.key-unsuited, fix.certificate-unsuited, fix.authority-url) when the
operator must act before anything can be sealed.
"""

import functools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import keyfolder, rotation, sm2, sm2_rotation
from guzheng.fix.authority import (
    LOCAL_POLICY_OID,
    MEASURED_POLICY_OID,
    LocalAuthority,
    random_serials,
)
from guzheng.fix.ceremony import Keys, load, load_or_make, roots_pem
from guzheng.fix.clock import Clock, Reading, Tick, unverified
from guzheng.fix.further import FurtherAuthorities
from guzheng.fix.http_authority import HttpAuthority
from guzheng.fix.journal import FileJournal, Journal
from guzheng.fix.profiles import OPERATOR
from guzheng.fix.rotating import RotatingAuthority
from guzheng.fix.rotation import Generation, InDevice, signing_key
from guzheng.fix.seal import SEAL, TimestampAuthority, fix, papers_wanted, stamp
from guzheng.fix.signing import KeyKind, SigningKey, signing_key_of
from guzheng.fix.sm2 import Libcrypto, Sm2Scalars, open_libcrypto
from guzheng.fix.sm2_ceremony import Sm2Keys

__all__ = [
    "LOCAL_POLICY_OID",
    "MEASURED_POLICY_OID",
    "OPERATOR",
    "SEAL",
    "Clock",
    "FileJournal",
    "FurtherAuthorities",
    "HttpAuthority",
    "KeyKind",
    "Keys",
    "Libcrypto",
    "LocalAuthority",
    "Reading",
    "RotatingAuthority",
    "SigningKey",
    "Sm2Keys",
    "Sm2Scalars",
    "Tick",
    "TimestampAuthority",
    "fix",
    "load",
    "load_or_make",
    "local_authority",
    "open_libcrypto",
    "papers_wanted",
    "random_serials",
    "roots_pem",
    "rotating_authority",
    "rotating_sm2_authority",
    "signing_key_of",
    "sm2_authority",
    "stamp",
    "unverified",
]


def local_authority(
    keys: Keys,
    *,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    clock: Clock | None = None,
    journal: Journal | None = None,
) -> LocalAuthority:
    """The authority of the first of the platform's own keys, issued by its root directly.

    Without a `clock` that was compared with others, `now` is taken as one that was not."""
    if keys.tsa_key is None:
        raise keyfolder.missing(f"tsa{keyfolder.KEY}")
    return LocalAuthority(
        signing_key_of(keys.tsa_key),
        keys.tsa_der,
        clock=clock or unverified(now),
        serial=random_serials(entropy),
        journal=journal,
    )


def rotating_authority(
    keys_dir: Path,
    *,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    clock: Clock,
    journal: Journal,
    in_device: InDevice | None = None,
) -> RotatingAuthority:
    """The authority under whichever of its keys signs now."""

    def under(generation: Generation) -> LocalAuthority:
        return LocalAuthority(
            signing_key(generation, in_device),
            generation.certificate.public_bytes(Encoding.DER),
            clock=clock,
            serial=random_serials(entropy),
            journal=journal,
        )

    folder = keys_dir / rotation.FOLDER
    known = functools.partial(rotation.generations, keys_dir)
    return RotatingAuthority(folder, known, under, now, journal)


def rotating_sm2_authority(
    keys_dir: Path,
    library: Libcrypto,
    *,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    clock: Clock,
    journal: Journal,
) -> RotatingAuthority:
    """The same under SM2 and SM3; it accepts SM3 imprints besides."""

    def under(generation: Generation) -> LocalAuthority:
        return LocalAuthority(
            sm2_rotation.signing_key(generation, library),
            generation.certificate.public_bytes(Encoding.DER),
            clock=clock,
            serial=random_serials(entropy),
            journal=journal,
        )

    folder = keys_dir / sm2_rotation.FOLDER
    known = functools.partial(sm2_rotation.generations, keys_dir)
    return RotatingAuthority(folder, known, under, now, journal)


def sm2_authority(
    keys: Sm2Keys,
    *,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    clock: Clock | None = None,
    journal: Journal | None = None,
) -> LocalAuthority:
    """The same authority under SM2 and SM3; it accepts SM3 imprints besides."""
    return LocalAuthority(
        sm2.signing_key_of(keys.tsa_key),
        keys.tsa_der,
        clock=clock or unverified(now),
        serial=random_serials(entropy),
        journal=journal,
    )
