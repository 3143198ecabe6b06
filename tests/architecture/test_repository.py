"""What is committed names no registry's host, no developer's folder, and holds no key."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 2 << 20
# Spelled in two halves, so that this file may be looked at too.
HOSTS = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "deb." + "debian.org"]
A_KEY = (
    r"PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"  # its first line of octets, not the words alone
)
FORBIDDEN = re.compile("|".join([*map(re.escape, HOSTS), "/work" + "/(main|shared)", A_KEY]))


def committed() -> list[Path]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a clone: git is not asked")
    listing = ["git", "ls-files", "-z"]
    told = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in told.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_committed_names_a_machine_or_holds_a_key() -> None:
    found: list[str] = []
    for path in committed():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in FORBIDDEN.finditer(text)]
    assert found == []


def test_nothing_committed_is_large() -> None:
    large = [
        str(path.relative_to(ROOT)) for path in committed() if path.stat().st_size > LARGEST
    ]
    assert large == []
