"""The programs beside which captures are measured: `python -m tests.corpus.peers`.

From npm and PyPI into `.corpus/peers`, once, in an environment of their own, in the releases
that docs/performance.md compares; what is there already is not fetched again. They are started
as programs and nothing of ours imports them. Scoop and browsertrix-crawler are on no registry
that is asked here; they would have to be built from git.
"""

import subprocess
import sys
from pathlib import Path

from tests.corpus.gather import CORPUS, NotGathered, run_npm

PEERS = CORPUS / "peers"
SINGLE_FILE = "single-file-cli@2.0.83"
PYTHON = ("brozzler==1.9.6", "warcprox==2.13.1", "setuptools<81")  # warcprox: pkg_resources
_SECONDS = 900


def fetch(folder: Path = PEERS) -> list[str]:
    """What could not be had, in a sentence each: a bench goes on with the others."""
    missing: list[str] = []
    for name, step in (("single-file", _single_file), ("brozzler", _brozzler)):
        done = folder / f"{name}.done"
        if done.exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        try:
            step(folder)
        except (NotGathered, OSError, subprocess.SubprocessError) as error:
            missing.append(f"{name}: {error}")
        else:
            done.touch()
    return missing


def _single_file(folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true}')
    run_npm(folder, "install", "--ignore-scripts", "--no-audit", "--no-fund", SINGLE_FILE)


def _brozzler(folder: Path) -> None:
    made = folder / "venv"
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(made)],
        [str(made / "bin/python"), "-m", "pip", "install", "--quiet", *PYTHON],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise NotGathered(done.stderr.strip()[-300:])


if __name__ == "__main__":
    sys.exit("\n".join(fetch()) or 0)
