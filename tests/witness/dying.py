"""`python -m tests.witness.dying DIR`: a witness that is killed at each of its steps.

Before each statement of SQL, and after each commit, before the answer leaves.

Prints a line for every life: how far it came, what it handed out, what the next life remembers,
and how that answers the other side of a fork. Run apart, since it forks itself.
"""

import os
import signal
import sys
from pathlib import Path

from guzheng.witness.memory import id_of
from guzheng.witness.witness import Witness
from tests.witness.conftest import Place
from tests.witness.logs import ORIGIN, Log, leaves

TRUNK, BRANCH = Log(leaves(20)), Log(leaves(20, "fork", 5))
MOST = 60
Told = tuple[str, dict[str, object]]


class Steps(list[Told]):
    """What is told is a step as well: `witness.cosigned` comes between commit and answer."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._left = last

    def take(self, _statement: str) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def append(self, told: Told) -> None:
        self.take(told[0])


def live(directory: Path, last: int, told: int) -> None:
    """Cosigns 8 and then 12, telling each status; killed at step number `last`."""
    steps = Steps(last)
    witness = Place(directory, told=steps).open()
    witness.memory._sql.set_trace_callback(steps.take)
    for old, new in ((0, 8), (8, 12)):
        answer = witness.add_checkpoint(TRUNK.request(old, new))
        os.write(told, f"{new}:{answer.status} ".encode())
    os._exit(0)


def remembered(witness: Witness) -> int:
    seen = witness.memory.find_latest(id_of(ORIGIN))
    return seen.size if seen else 0


def main(folder: Path) -> None:
    for last in range(1, MOST):
        directory = folder / str(last)
        directory.mkdir()
        first = Place(directory).open()
        first.memory.add_log(TRUNK.key)
        first.memory.close()
        reading, telling = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            live(directory, last, telling)
        os.close(telling)
        _, status = os.waitpid(pid, 0)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read().decode()
        witness = Place(directory).open()
        size = remembered(witness)
        forked = [
            witness.add_checkpoint(BRANCH.request(size if size <= new else new, new)).status
            for new in (8, 12, 20)
        ]
        again = witness.add_checkpoint(TRUNK.request(remembered(witness), 20)).status
        witness.memory.close()
        sys.stdout.write(f"{last} {status} {told or '-'}| {size} {forked} {again}\n")
        if status == 0:
            return
    raise SystemExit("it never lived to the end")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
