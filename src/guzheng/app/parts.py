"""What an installation stands on: the keys, the stores, the ledger, whom it asks for the time.

The only module that owns a clock and a source of chance, and the only one that knows which
implementation stands behind each port. Whoever wants another one behind a port (a test that
dies in the middle of a write, say) hands `Platform` parts of its own.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from guzheng import fix
from guzheng.config import Config
from guzheng.intake import ExhibitIndex
from guzheng.ledger import FileLastSigned, Ledger, TileStore, open_signer
from guzheng.ledger.ledger import CHECKPOINT, FOLDER
from guzheng.proof import policy
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.durable import reported
from guzheng.store.records import open_engine

INDEX, LEDGER, JOBS = "index.sqlite", "ledger.sqlite", "jobs.sqlite"


class Store(Blobs, TileStore, Protocol):
    """Where papers and tiles are kept."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each; `local` is our own authority, whoever `authority` is."""

    data: Path
    keys: fix.Keys
    local: fix.LocalAuthority
    authority: fix.TimestampAuthority
    blobs: Store
    index: ExhibitIndex
    ledger: Ledger
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]


def system_now() -> datetime:
    """The one clock of the platform; whether to believe it is `Platform.clock`'s to say."""
    return datetime.now(UTC)


def open_parts(
    config: Config,
    *,
    now: Callable[[], datetime] = system_now,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Parts:
    """Open what is in the data directory, and make what is not there yet.

    Raises Refused when what is there cannot be used: keys above all are never made anew where
    something was sealed with others."""
    try:
        with reported(str(config.data)):
            return _opened(config, now, entropy)
    except OSError as error:
        raise Refused(
            "config.data-unusable",
            expected="a data directory of this user",
            found=f"{error.filename or config.data}: {error.strerror}",
            act="choose another with --data, or mend its permissions",
        ) from error


def _opened(
    config: Config, now: Callable[[], datetime], entropy: Callable[[int], bytes]
) -> Parts:
    data = config.data
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys_folder = data / "keys"
    _require_keys_of(data, keys_folder)
    keys_folder.mkdir(mode=0o700, exist_ok=True)
    operator = {"operator": config.operator} if config.operator else {}
    keys = fix.load_or_make(keys_folder, now=now, entropy=entropy, **operator)
    local = fix.local_authority(keys, now=now, entropy=entropy)
    blobs = DirectoryBlobs(data / "blobs")
    last_signed = FileLastSigned(keys_folder / "last-signed.checkpoint")
    return Parts(
        data=data,
        keys=keys,
        local=local,
        authority=_authority(config, local),
        blobs=blobs,
        index=ExhibitIndex(open_engine(data / INDEX)),
        ledger=Ledger(
            open_engine(data / LEDGER),
            blobs,
            open_signer(keys_folder, None, entropy, signed=last_signed.read()),
            last_signed,
        ),
        now=now,
        entropy=entropy,
    )


def _require_keys_of(data: Path, keys_folder: Path) -> None:
    """Where something was signed, a missing key is lost, and must not be made anew."""
    if not (data / "blobs" / FOLDER / CHECKPOINT).exists():
        return
    for code, place in (
        ("fix.keys-missing", keys_folder / fix.ceremony.FOLDER),
        ("ledger.key-missing", keys_folder / "ledger.key"),
    ):
        if not os.path.lexists(place):
            raise Refused(
                code,
                expected="the keys that what is kept here was signed with",
                found=f"none: {place.name}",
                act=f"restore {place} from its copy; it is never made anew",
            )


def _authority(config: Config, local: fix.LocalAuthority) -> fix.TimestampAuthority:
    if not config.timestamp_url:
        return local
    return fix.HttpAuthority(config.timestamp_url, timeout_seconds=config.timestamp_seconds)


def roots_pem(config: Config, keys: fix.Keys) -> bytes:
    """Roots of every authority that this installation asks, our own first."""
    pem = fix.roots_pem(keys)
    if not config.timestamp_roots:
        return pem
    try:
        others = Path(config.timestamp_roots).read_bytes()
        policy.parse_roots(others)
    except (OSError, ProofError) as error:
        found = error.found if isinstance(error, ProofError) else error.strerror
        raise Refused(
            "config.value-refused",
            expected="timestamp_roots: a file with certificates in PEM",
            found=f"{config.timestamp_roots}: {found}",
            act="mend the setting",
        ) from error
    return pem + others
