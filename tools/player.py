"""Fetch the player of web archives into this environment: `python -m tools.player`.

ReplayWeb.page (AGPL-3.0-or-later, https://github.com/webrecorder/replayweb.page) is no part of
guzheng: it is taken as its makers publish it, one release by its hash, and its two files and
its licence are laid where `guzheng serve` looks (share/guzheng/player), unmodified. npm fetches
it and runs nothing of it. Without npm it ends with 2: captured pages are downloaded then."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tools.frontend import NoNode, npm

RELEASE = "replaywebpage@2.5.3"
SHA512 = (
    "nCj2PSON3BxeSJKE8AsYPyULv0XPZKJWfy4l9PyQre9SqwLZ+WKZVs/sfLqPOQ4GrH+0YkjbwOhr8cSTH08gsQ=="
)
FILES = ("ui.js", "sw.js", "LICENSE")
PLACE = Path(sys.prefix) / "share" / "guzheng" / "player"


def fetch(into: Path) -> Path:
    done = subprocess.run(
        [*npm(), "pack", RELEASE, "--silent", "--pack-destination", str(into)],
        cwd=into,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    packed = next(into.glob("*.tgz"), None)
    if done.returncode != 0 or packed is None:
        raise OSError(f"{RELEASE}: {done.stderr[-1000:]}")
    seen = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode("ascii")
    if seen != SHA512:
        raise OSError(f"{RELEASE}: sha512-{SHA512} is expected, sha512-{seen} came")
    return packed


def lay(packed: Path, place: Path) -> None:
    """All of its files or none; by names of ours, whatever else the archive holds."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name, tarfile.open(packed) as archive:
        whole = Path(name) / "player"
        whole.mkdir()
        for each in FILES:
            member = archive.extractfile(f"package/{each}")
            if member is None:
                raise OSError(f"{RELEASE} has no {each}")
            (whole / each).write_bytes(member.read())
        (whole / "RELEASE").write_text(RELEASE + "\n", "utf-8")
        shutil.rmtree(place, ignore_errors=True)
        whole.rename(place)


def main() -> int:
    release = PLACE / "RELEASE"
    if release.is_file() and release.read_text("utf-8").strip() == RELEASE:
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            lay(fetch(Path(folder)), PLACE)
    except NoNode:
        return 2
    except (OSError, KeyError, tarfile.TarError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
