"""What an installation stands on: the keys, the stores, the ledger, whom it asks for the time.

The only module that owns a clock and a source of chance, and the only one that knows which
implementation stands behind each port. Whoever wants another one behind a port (a test that
dies in the middle of a write, say) hands `Platform` parts of its own.
"""

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from guzheng import fix
from guzheng.app.paper_rows import CHECKS, PaperRow
from guzheng.app.sharding import open_shards
from guzheng.app.signing import device_of
from guzheng.app.stores import INDEX, JOBS, LEDGER, Store, open_stores
from guzheng.app.timekeeping import ClockPapers, open_gate
from guzheng.commission import Commissions, Schedules
from guzheng.config import Config
from guzheng.fix import sm2_rotation
from guzheng.fix.clock import Gate, shared
from guzheng.fix.clock.rules import EPOCH
from guzheng.intake import ExhibitIndex
from guzheng.keep import selfcheck
from guzheng.ledger import Ledger, Shards
from guzheng.ledger.keys import SM2_FILE
from guzheng.ledger.ledger import CHECKPOINT, FOLDER
from guzheng.proof import policy
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import Blobs, find
from guzheng.store.durable import reported
from guzheng.store.lease import Place

# Goes on while the machine sleeps, and is never set; where there is none, the next best.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_CLOSE_MICROSECONDS = 50

__all__ = ["INDEX", "JOBS", "LEDGER", "Parts", "Store", "open_parts", "system_now"]


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each; `local` is our own authority, whoever `authority` is.

    `sm2` is our own again, under SM2, where the system's OpenSSL does it."""

    data: Path
    keys: fix.Keys
    journal: fix.FileJournal
    gate: Gate
    papers: ClockPapers
    checks: PaperRow[selfcheck.CheckRecord]
    local: fix.RotatingAuthority
    sm2: fix.RotatingAuthority | None
    authority: fix.TimestampAuthority
    blobs: Store
    index: ExhibitIndex
    shards: Shards
    commissions: Commissions
    schedules: Schedules
    accounts: Engine  # persons, permissions, cases, shares
    leases: Place
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]

    @property
    def ledger(self) -> Ledger:
        """The shard that is open; whoever appends does so through `shards`."""
        return self.shards.open


def system_now() -> datetime:
    """The one clock of the platform; whether to believe it is `Platform.clock`'s to say."""
    return datetime.now(UTC)


def system_entropy(octets: int) -> bytes:
    """The one source of chance."""
    return os.urandom(octets)


def system_tick() -> fix.Tick:
    """Both clocks of the machine, read as close together as it lets us."""
    ticks = []
    for _ in range(3):
        before = time.clock_gettime_ns(_BOOTTIME)
        realtime = time.clock_gettime_ns(time.CLOCK_REALTIME)
        gap = (time.clock_gettime_ns(_BOOTTIME) - before) // 1000 + 1
        ticks.append(fix.Tick(realtime // 1000, before // 1000, gap, _boot()))
        if gap <= _CLOSE_MICROSECONDS:
            break
    return min(ticks, key=lambda one: one.gap)


@functools.cache
def _boot() -> str:
    """Which start of the machine this is, where the kernel says so."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"


def open_parts(
    config: Config,
    *,
    now: Callable[[], datetime] = system_now,
    entropy: Callable[[int], bytes] = system_entropy,
    ticks: Callable[[], fix.Tick] | None = None,
) -> Parts:
    """Open what is in the data directory, and make what is not there yet.

    `ticks`: the clocks of the machine that timestamps are told by; those of `now` when another
    one is given, else the machine's own.

    Raises Refused when what is there cannot be used: keys above all are never made anew where
    something was sealed with others."""
    try:
        with reported(str(config.data)):
            ticks = ticks or (system_tick if now is system_now else _ticks_of(now))
            return _opened(config, now, entropy, ticks)
    except OSError as error:
        raise Refused(
            "config.data-unusable",
            expected="a data directory of this user",
            found=f"{error.filename or config.data}: {error.strerror}",
            act="choose another with --data, or mend its permissions",
        ) from error


def _ticks_of(now: Callable[[], datetime]) -> Callable[[], fix.Tick]:
    """A machine whose clock is this one, and which is never seen to be set."""

    def tick() -> fix.Tick:
        micros = (now() - EPOCH) // timedelta(microseconds=1)
        return fix.Tick(micros, micros, 0, "given")

    return tick


def _opened(
    config: Config,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
    ticks: Callable[[], fix.Tick],
) -> Parts:
    data = config.data
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys_folder = data / "keys"
    stores = open_stores(config, keys_folder)
    _require_keys_of(stores.blobs, keys_folder)
    keys_folder.mkdir(mode=0o700, exist_ok=True)
    library = _libcrypto(config)
    keys = _keys_of(config, keys_folder, library, now, entropy)
    journal = fix.FileJournal(data / "journal", now=now)
    shards = open_shards(stores, keys_folder, library, now=now, entropy=entropy)
    papers = ClockPapers(stores.blobs, shards, stores.leases, entropy)
    checks = PaperRow(CHECKS, stores.blobs, shards, stores.leases)
    gate = open_gate(config, papers, ticks, entropy)
    clock = shared(gate, now)
    local = fix.rotating_authority(
        keys_folder,
        now=now,
        entropy=entropy,
        journal=journal,
        clock=clock,
        in_device=device_of(config),
    )
    sm2 = None
    if library is not None:
        sm2 = fix.rotating_sm2_authority(
            keys_folder, library, now=now, entropy=entropy, journal=journal, clock=clock
        )
    commissions = Commissions(stores.commissions)
    return Parts(
        data=data,
        keys=keys,
        journal=journal,
        gate=gate,
        papers=papers,
        checks=checks,
        local=local,
        sm2=sm2,
        authority=_authority(config, local),
        blobs=stores.blobs,
        index=ExhibitIndex(stores.index),
        shards=shards,
        commissions=commissions,
        schedules=Schedules(stores.commissions, commissions),
        accounts=stores.accounts,
        leases=stores.leases,
        now=now,
        entropy=entropy,
    )


def _keys_of(
    config: Config,
    keys_folder: Path,
    library: fix.Libcrypto | None,
    now: Callable[[], datetime],
    entropy: Callable[[int], bytes],
) -> fix.Keys:
    """The keys of our own authority; SM2 ones before the ledger's, which tell that these
    were made. The first of the SM2 authority may be gone where there is a next one."""
    operator = config.operator or fix.OPERATOR
    keys = fix.load_or_make(
        keys_folder,
        now=now,
        entropy=entropy,
        operator=operator,
        tsa_kind="rsa3072" if config.tsa_key == "rsa3072" else "p256",
    )
    if library is not None and not os.path.lexists(keys_folder / sm2_rotation.FOLDER):
        fix.sm2_ceremony.load_or_make(
            keys_folder, library, now=now, entropy=entropy, operator=operator
        )
    return keys


def _require_keys_of(blobs: Blobs, keys_folder: Path) -> None:
    """Where something was signed, a missing key is lost, and must not be made anew."""
    if find(blobs, FOLDER + CHECKPOINT) is None:
        return
    wanted = [
        ("fix.keys-missing", keys_folder / fix.ceremony.FOLDER),
        ("ledger.key-missing", keys_folder / "ledger.key"),
    ]
    if os.path.lexists(keys_folder / SM2_FILE):
        wanted.append(("fix.keys-missing", keys_folder / fix.sm2_ceremony.FOLDER))
    for code, place in wanted:
        if not os.path.lexists(place):
            raise Refused(
                code,
                expected="the keys that what is kept here was signed with",
                found=f"none: {place.name}",
                act=f"restore {place} from its copy; it is never made anew",
            )


def _libcrypto(config: Config) -> fix.Libcrypto | None:
    """What SM2 is done with; without it there are no SM2 papers, and all others are made."""
    if config.sm2 == "off":
        return None
    try:
        return fix.open_libcrypto()
    except Unavailable:
        if config.sm2 == "required":
            raise
        return None


def _authority(config: Config, local: fix.RotatingAuthority) -> fix.TimestampAuthority:
    if not config.timestamp_url:
        return local
    return fix.HttpAuthority(config.timestamp_url, timeout_seconds=config.timestamp_seconds)


def roots_pem(config: Config, keys: fix.Keys) -> bytes:
    """Roots of every authority that this installation asks, our own first."""
    pem = fix.roots_pem(keys) + fix.sm2_ceremony.find_root_pem(config.data / "keys")
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
