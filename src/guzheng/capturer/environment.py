"""The environment report: what could have falsified the page on this machine, looked at.

A list of plain facts with the file or call each comes from, made while the browser runs, and an
original of its own. What was not looked at is listed as such: a reader must not take silence
for a pass. What this machine could not give stands under `grade`, with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from guzheng.capturer import machine, routes
from guzheng.capturer.chains import Chains
from guzheng.capturer.confinement import Confinement
from guzheng.capturer.grades import Grade
from guzheng.capturer.packages import Installed, Program
from guzheng.capturer.software import software
from guzheng.capturer.timekeeping import Timekeeping, ask_kernel

SCHEMA = "guzheng.environment/1"
NOT_CHECKED = (
    "public-address",  # under which address others see this machine
    "network-owner",  # whose the addresses contacted are: the registries were not asked
    "certificate-revocation",  # what sites stapled is in the transcript; nobody was asked
    "machine-below",  # the host of a virtual machine or a container, its image, its firmware
)
# Each loads code into, or looks into, every program that is started with it.
PRELOADING = ("LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD", "SSLKEYLOGFILE")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What main knows of the program's own surroundings; nothing below reads them itself."""

    own_uid: int
    process: int
    temporary: Path
    path: str
    proxy_variables: tuple[str, ...]  # names only: a value may hold a password
    preload_variables: tuple[str, ...]  # those of PRELOADING that were set
    software: str


class Contact(Protocol):
    """Of a connection: the name that was asked for, and the address that answered."""

    @property
    def host(self) -> str: ...

    @property
    def peer(self) -> str: ...


@dataclass(slots=True)
class Start:
    """How it was before the first page: looked at once, when the browser had come up."""

    profile_entries: Sequence[str]
    cookies: int
    sandbox: str
    cage: Mapping[str, object]
    seen_by_pages: Mapping[str, object]
    clock: Timekeeping = field(default_factory=ask_kernel)

    def judge(self, grade: Grade, preload_variables: Sequence[str]) -> None:
        """Everything that can be said before a page was opened."""
        kind = self.sandbox.partition(":")[0]
        grade.judge(
            "grade.namespace-sandbox", "" if kind == "namespace" else f"sandbox {self.sandbox}"
        )
        renderers, filtered = self.cage.get("renderers"), self.cage.get("seccomp_filtered")
        every = renderers == filtered and renderers != 0
        grade.judge(
            "grade.seccomp", "" if every else f"{filtered} of {renderers} renderers filtered"
        )
        raised = not self.cage.get("no_new_privileges")
        grade.judge(
            "grade.no-new-privs", "the browser may gain privileges by execve" if raised else ""
        )
        grade.judge("grade.clock-verified", self.clock.fault)
        grade.judge("grade.clean-start", self._stain(preload_variables))

    def _stain(self, preload_variables: Sequence[str]) -> str:
        if self.profile_entries:
            return f"the profile was not empty: {self.profile_entries[0]}"
        if self.cookies:
            return f"{self.cookies} cookies before the first page"
        return machine.preload_fault(preload_variables) or machine.policy_fault()


def report(
    surroundings: Surroundings,
    program: Program,
    installed: Installed,
    start: Start,
    confinement: Confinement,
    grade: Grade,
    *,
    room: Mapping[str, object],
    browser: Mapping[str, object],
    flags: Sequence[str],
    connections: Sequence[Contact],
    certificates: Chains,
    clocks: Mapping[str, object],
) -> dict[str, object]:
    """The value of items/environment.json."""
    peers = dict.fromkeys(one.peer for one in connections if one.peer)
    return {
        "schema": SCHEMA,
        **grade.value(),
        "room": dict(room),
        "machine": machine.machine(),
        "kernel": machine.kernel(),
        "limits": confinement.value(),
        "clock": {
            "before": start.clock.value(),
            "after": ask_kernel().value(),
            "claimed_by_platform": dict(clocks),
        },
        "software": software(),
        "browser": {
            "program": program.path,
            "size": program.size,
            "sha256": program.digest.hex,
            "package": installed.value(),
            "flags": list(flags),
            "sandboxed_processes": dict(start.cage),
            "seen_by_pages": dict(start.seen_by_pages),
            **browser,
        },
        "profile": {
            "entries_at_start": list(start.profile_entries),
            "cookies_at_start": start.cookies,
            "extensions": "disabled",
            "policies": machine.policies(),
        },
        "preloaded": machine.preloads(surroundings.preload_variables),
        "trust": machine.trust(),
        "network": {
            "hosts_file": machine.file_facts(Path("/etc/hosts")),
            "names_preset": machine.preset_names(one.host for one in connections),
            "resolver_file": machine.file_facts(Path("/etc/resolv.conf")),
            "name_service_file": machine.file_facts(Path("/etc/nsswitch.conf")),
            "resolvers": machine.resolvers(),
            "proxy_variables": list(surroundings.proxy_variables),
            "proxy_of_browser": "our own egress on loopback; it does not decrypt",
            "interfaces": routes.interfaces(),
            "default_routes": routes.default_routes(),
            "local_addresses": {one: routes.local_address_towards(one) for one in peers},
        },
        "certificates_der": certificates.value(),
        "certificate_transparency": certificates.transparency(),
        "not_checked": list(NOT_CHECKED),
    }
