"""The room of one job on this machine: its user, its control group, what dead jobs left swept.

Opened before anything is started, so that whatever is started is born inside; closed when all
of it is dead. What this machine cannot give lowers the grade and stops nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer import cgroup, leftovers
from guzheng.capturer.cgroup import Caps, Group, NoGroup
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.grades import Grade
from guzheng.capturer.hunger import Hunger
from guzheng.capturer.jobuser import uid_for_job

_OWN_USER, _CGROUP = "grade.own-user", "grade.cgroup"


@dataclass(slots=True)
class Confinement:
    """`stand_in` says what bounds the job where there is no group."""

    uid: int
    caps: Caps
    group: Group | None
    stand_in: str
    swept: tuple[str, ...]
    hunger: Hunger = field(init=False)

    def __post_init__(self) -> None:
        self.hunger = Hunger(self.caps.memory_octets, self.group)

    def watch(self, group: int, kill: Callable[[], None]) -> None:
        """From now on a browser that eats too much is ended by us, if not by the kernel."""
        self.hunger.watch(group, kill)

    def find_cause(self) -> CaptureFailed | None:
        """Something of this job was ended for want of memory."""
        killed = self.group.killed if self.group is not None else 0
        if killed:
            found = f"more, and the kernel ended {killed} of its processes"
        elif self.hunger.found:
            found = f"{self.hunger.found}; the browser was ended"
        else:
            return None
        return CaptureFailed(
            "capture.out-of-memory",
            expected=f"a page that needs at most {self.caps.memory_octets} octets of memory",
            found=found,
            act="the operator, who may raise the limit",
        )

    def close(self) -> None:
        self.hunger.close()
        if self.group is not None:
            self.group.close()

    def value(self) -> dict[str, object]:
        """For the environment report: what was allowed, by whom, and what was used."""
        value: dict[str, object] = {
            "memory_octets": self.caps.memory_octets,
            "tasks": self.caps.tasks,
            "processors": self.caps.processors,
            "enforced_by": self.stand_in,
            "leftovers_removed": len(self.swept),
        }
        if self.group is not None:
            value["enforced_by"] = f"control group, version {self.group.version}"
            value["memory_peak_octets"] = self.group.peak_octets
            value["ended_for_memory"] = self.group.killed
        return value


def confine(
    caps: Caps, grade: Grade, *, own_uid: int, process: int, temporary: Path, now: float
) -> Confinement:
    """Raises OSError only if there is no free user for the browser."""
    swept = leftovers.sweep((temporary,), now=now)
    uid = uid_for_job(own_uid=own_uid, seed=process)
    alone = uid != own_uid
    grade.judge(_OWN_USER, "" if alone else "the browser runs as the capturer's own user")
    group, stand_in = None, ""
    try:
        group = cgroup.enter(leftovers.PREFIX + leftovers.token_of(process), caps)
        grade.given(_CGROUP)
    except NoGroup as error:
        stand_in = cgroup.limit_ourselves(caps, own_user=alone)
        grade.lacks(_CGROUP, f"{error}; instead: {stand_in}")
    return Confinement(uid, caps, group, stand_in, swept)
