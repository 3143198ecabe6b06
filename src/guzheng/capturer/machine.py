"""What the machine is, and what on it could reach into the browser: facts for the report.

Read from /proc, /sys and /etc at the time of the capture. A file that is not there is said to
be absent; nothing is changed, and no value that could be a secret is written down.
"""

import hashlib
import ipaddress
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

# What decides over sandboxes, tracing, and what a process may do to another.
_KERNEL = (
    "kernel/osrelease",
    "kernel/random/boot_id",
    "kernel/randomize_va_space",
    "kernel/yama/ptrace_scope",
    "kernel/unprivileged_userns_clone",
    "kernel/apparmor_restrict_unprivileged_userns",
    "kernel/seccomp/actions_avail",
    "kernel/core_pattern",
    "kernel/tainted",
    "user/max_user_namespaces",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
)
# Which certificates are trusted, and what may change that: Chromium's own store is in its
# program; NSS databases and policies of the machine are read besides.
_TRUST_FILES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/ca-certificates.conf"))
_TRUST_FOLDERS = (
    Path("/etc/pki/nssdb"),
    Path("/etc/pki/nss-legacy"),
    Path("/etc/crypto-policies"),
)
_POLICY_FOLDERS = (
    Path("/etc/chromium"),
    Path("/etc/chromium-browser"),
    Path("/etc/chromium.d"),
    Path("/etc/opt/chrome"),
)
_PRELOADED = Path("/etc/ld.so.preload")
_READ_OCTETS = 1024 * 1024
_MOST_FILES = 200


def machine() -> dict[str, object]:
    return {
        "system": platform.system(),
        "release": platform.release(),
        "version": platform.version(),
        "architecture": platform.machine(),
        "distribution": _distribution(),
        "python": platform.python_version(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_octets": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "container": _container(),
    }


def kernel(proc: Path = Path("/proc/sys")) -> dict[str, object]:
    """Its switches, as they stand; one that this kernel does not have is absent."""
    found: dict[str, object] = {}
    for name in _KERNEL:
        try:
            found[name] = (proc / name).read_text("utf-8", "replace").strip()[:200]
        except OSError:
            continue
    return found


def preloads(variables: Sequence[str]) -> dict[str, object]:
    """What is loaded into every program: nothing, on a clean machine.

    `variables` are the names of those that would do it, as the program was started."""
    return {"variables": list(variables), "ld_so_preload": file_facts(_PRELOADED)}


def preload_fault(variables: Sequence[str], preloaded: Path = _PRELOADED) -> str:
    if variables:
        return f"the environment has {', '.join(variables)}"
    entries = file_facts(preloaded).get("entries")
    return f"{preloaded} has entries" if entries else ""


def trust() -> dict[str, object]:
    """Digests of what may add certificates that the browser believes."""
    return {
        "roots_of_browser": "compiled into its program",
        "files": [file_facts(path) for path in _TRUST_FILES],
        "folders": [file_facts(path) for folder in _TRUST_FOLDERS for path in _within(folder)],
    }


def policies() -> list[dict[str, object]]:
    """Policies and presets of the machine; on a clean one there are no policies."""
    return [file_facts(path) for folder in _POLICY_FOLDERS for path in _within(folder)]


def policy_fault() -> str:
    """The first policy of the machine: it could preset pages and trust."""
    for folder in _POLICY_FOLDERS:
        for path in _within(folder):
            if "policies" in path.parts and path.suffix == ".json":
                return f"a policy of the machine: {path}"
    return ""


def file_facts(path: Path) -> dict[str, object]:
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


def preset_names(hosts: Iterable[str], path: Path = Path("/etc/hosts")) -> list[str]:
    """Those of the names that the hosts file gives an address, past every resolver.

    Not `localhost` at a loopback address: that is what the name means everywhere, and no
    resolver may say otherwise (RFC 6761 §6.3), so no file decided it. The machine's own name
    is one of them: what it leads to stands in this file and nowhere else."""
    try:
        lines = path.read_text("utf-8", "replace").lower().splitlines()
    except OSError:
        return []
    named = {
        word.rstrip(".")
        for address, *words in (line.partition("#")[0].split() or [""] for line in lines)
        for word in words
        if not (_is_localhost(word.rstrip(".")) and _is_loopback(address))
    }
    return sorted({host.lower().rstrip(".") for host in hosts} & named)


def _is_localhost(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def resolvers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.split()[1] for line in lines if line.startswith("nameserver ")][:10]


def _within(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())[:_MOST_FILES]


def _container() -> str:
    """What the runtime says of itself; empty where nothing says that this is one."""
    if Path("/.dockerenv").exists():
        return "docker"
    try:
        return Path("/run/systemd/container").read_text("ascii", "replace").strip()[:40]
    except OSError:
        return ""


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""
