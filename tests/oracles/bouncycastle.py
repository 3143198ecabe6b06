"""Bouncy Castle, whose readers of ERS and SM2 nobody here wrote: compiled once, asked often.

A question is a Java file beside this one with a `main`; its answer is what it prints. The
classes lie in a folder that every worker of one run of the tests shares, made under a lock.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
JARS = [Path("/usr/share/java") / f"{name}.jar" for name in ("bcpkix", "bcprov", "bcutil")]
CLASSPATH = ":".join(map(str, JARS))


def missing() -> str:
    """Why it cannot be asked on this machine; empty when it can."""
    if not shutil.which("javac"):
        return "no javac here: as root, `make ready` installs it"
    absent = [one.name for one in JARS if not one.exists()]
    return f"no {', '.join(absent)} here: as root, `make ready` installs it" if absent else ""


def compiled(name: str, factory: pytest.TempPathFactory) -> Path:
    """The folder with the classes of `name`.java; skips where it cannot be compiled."""
    if reason := missing():
        pytest.skip(reason)
    base = factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # pytest-xdist
    classes = shared / "java-classes"
    classes.mkdir(exist_ok=True)
    with (shared / "java.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (classes / f"{name}.class").exists():
            command = ["javac", "-nowarn", "-cp", CLASSPATH, "-d", str(classes)]
            done = subprocess.run(
                [*command, str(HERE / f"{name}.java")],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    return classes


def ask(classes: Path, name: str, *arguments: object) -> list[str]:
    """The lines that it prints."""
    # Interpreted and with one collector: a question is over before a compiler pays.
    options = ["-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    done = subprocess.run(
        ["java", *options, "-cp", f"{classes}:{CLASSPATH}", name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
