"""The environment report: what could have falsified the page on this machine, looked at.

A list of plain facts with the file or call each comes from, made while the browser runs, and an
original of its own. What was not looked at is listed as such: a reader must not take silence
for a pass.
"""

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guzheng.proof.digest import Digest

SCHEMA = "guzheng.environment/1"
NOT_CHECKED = (
    "clock-offset",  # against other clocks, before and after
    "second-resolver",  # whether another resolver gives the same addresses
    "public-address",  # under which address this machine is seen
    "route",
    "memory-of-the-machine",
)
_POLICY_FOLDERS = (Path("/etc/chromium/policies"), Path("/etc/opt/chrome/policies"))
_READ_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What main knows of the program's own surroundings; nothing below reads them itself."""

    own_uid: int
    process: int
    temporary: Path
    path: str
    proxy_variables: tuple[str, ...]  # names only: a value may hold a password
    software: str


@dataclass(frozen=True, slots=True)
class Program:
    """The browser's program file, by what it is and not by what it says it is."""

    path: str
    size: int
    digest: Digest


def identify(path: Path) -> Program:
    with path.open("rb") as stream:
        value = hashlib.file_digest(stream, "sha256").digest()
    return Program(str(path), path.stat().st_size, Digest("sha256", value))


def report(
    surroundings: Surroundings,
    program: Program,
    *,
    browser: dict[str, object],
    profile_at_start: Sequence[str],
    cookies_at_start: int,
    certificates: dict[str, list[str]],
) -> dict[str, object]:
    """The value of items/environment.json."""
    return {
        "schema": SCHEMA,
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "version": platform.version(),
            "architecture": platform.machine(),
            "distribution": _distribution(),
            "python": platform.python_version(),
        },
        "software": surroundings.software,
        "browser": {
            "program": program.path,
            "size": program.size,
            "sha256": program.digest.hex,
            **browser,
        },
        "profile": {
            "entries_at_start": list(profile_at_start),
            "cookies_at_start": cookies_at_start,
            "extensions": "disabled",
            "policies": _policies(),
        },
        "network": {
            "hosts_file": _file_facts(Path("/etc/hosts")),
            "resolver_file": _file_facts(Path("/etc/resolv.conf")),
            "resolvers": _resolvers(),
            "proxy_variables": list(surroundings.proxy_variables),
            "proxy_of_browser": "our own egress on loopback; it does not decrypt",
        },
        "certificates_der": dict(certificates),
        "not_checked": list(NOT_CHECKED),
    }


def _file_facts(path: Path) -> dict[str, object]:
    try:
        octets = path.read_bytes()[:_READ_OCTETS]
    except OSError as error:
        return {"path": str(path), "absent": error.strerror or "unreadable"}
    lines = [line.partition(b"#")[0].strip() for line in octets.splitlines()]
    return {
        "path": str(path),
        "sha256": hashlib.sha256(octets).hexdigest(),
        "entries": sum(1 for line in lines if line),
    }


def _resolvers() -> list[str]:
    try:
        lines = Path("/etc/resolv.conf").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.split()[1] for line in lines if line.startswith("nameserver ")][:10]


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _policies() -> list[dict[str, object]]:
    """Policies of the machine can preset pages and trust; on a clean one there are none."""
    found = []
    for folder in _POLICY_FOLDERS:
        if folder.is_dir():
            found += [_file_facts(path) for path in sorted(folder.rglob("*.json"))[:100]]
    return found
