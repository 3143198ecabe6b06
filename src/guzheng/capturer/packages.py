"""The browser's program against the package it came in: Debian's own lists, read directly.

dpkg keeps an MD5 of every file it installed. Reading the files again says whether one was
altered since (`dpkg -V` does the same); it does not say that the lists were not altered with
them, so the digest of the lists is on the report too, for comparison with Debian's own package.
MD5 is no protection against whoever made the package, and is not used as one. Every file is
read at every capture (see checksums).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer.checksums import Checksums
from guzheng.proof.digest import Digest

_DPKG = Path("/var/lib/dpkg")
_MOST_ALTERED = 20  # named on the report; their number is whole


@dataclass(slots=True)
class Program:
    """The browser's program file, by what it is and not by what it says it is."""

    path: str
    size: int
    digest: Digest
    md5: str


@dataclass(slots=True)
class Installed:
    """What dpkg says of the packages that own the program, and what their files are now."""

    packages: dict[str, str] = field(default_factory=dict)  # name → version
    lists_sha256: str = ""
    files: int = 0
    altered: list[str] = field(default_factory=list)

    @property
    def fault(self) -> str:
        """Why the program cannot be called the distribution's; empty if it can."""
        if not self.packages:
            return "the program belongs to no package that dpkg knows"
        if self.altered:
            return f"altered or missing since it was installed: {self.altered[0]}"
        return ""

    def value(self) -> dict[str, object]:
        return {
            "packages": dict(self.packages),
            "lists_sha256": self.lists_sha256,
            "files_compared": self.files,
            "files_altered": len(self.altered),
            "altered": self.altered[:_MOST_ALTERED],
        }


def identify(path: Path, checksums: Checksums | None = None) -> Program:
    """Read it, for both digests."""
    read = (checksums or Checksums()).of(path)
    return Program(str(path), read.size, Digest("sha256", read.sha256), read.md5)


def compare(
    program: Program,
    dpkg: Path = _DPKG,
    root: Path = Path("/"),
    checksums: Checksums | None = None,
) -> Installed:
    """The program's package and its siblings of the same source version, file by file."""
    found, checksums = Installed(), checksums or Checksums()
    owner = _owner_of(program.path, dpkg / "info")
    if not owner:
        return found
    versions = _versions(dpkg / "status")
    wanted = versions.get(owner, "")
    lists = hashlib.sha256()
    for name in sorted(versions):
        # chromium, chromium-common, chromium-sandbox: one program in three packages.
        if name != owner and not name.startswith(f"{owner}-"):
            continue
        if versions[name] != wanted:
            continue
        list_path = _info(dpkg, name, "md5sums")
        if list_path is None:
            continue
        found.packages[name] = versions[name]
        octets = list_path.read_bytes()
        lists.update(octets)
        for digest, path in _sums(octets):
            found.files += 1
            same = program.md5 == digest
            if str(root / path) != program.path:
                same = _md5_of(root / path, checksums) == digest
            if not same:
                found.altered.append(path)
    found.lists_sha256 = lists.hexdigest()
    return found


def _owner_of(program: str, info: Path) -> str:
    """The package whose list of files names the program."""
    line = program.encode()
    for path in sorted(info.glob("*chrom*.list")):
        if line in path.read_bytes().splitlines():
            return path.name.removesuffix(".list").partition(":")[0]
    return ""


def _info(dpkg: Path, name: str, kind: str) -> Path | None:
    for path in (dpkg / "info" / f"{name}.{kind}", *dpkg.glob(f"info/{name}:*.{kind}")):
        if path.is_file():
            return path
    return None


def _versions(status: Path) -> dict[str, str]:
    """Name → version of what is installed and belongs to a Chromium."""
    versions: dict[str, str] = {}
    try:
        paragraphs = status.read_text("utf-8", "replace").split("\n\n")
    except OSError:
        return versions
    for paragraph in paragraphs:
        if "chrom" not in paragraph[:60]:
            continue
        lines = dict(line.split(": ", 1) for line in paragraph.split("\n") if ": " in line)
        if lines.get("Status", "").endswith(" installed"):
            versions[lines.get("Package", "")] = lines.get("Version", "")
    return versions


def _sums(octets: bytes) -> Iterator[tuple[str, str]]:
    for line in octets.decode("utf-8", "replace").splitlines():
        digest, _, path = line.partition("  ")
        if path:
            yield digest, path


def _md5_of(path: Path, checksums: Checksums) -> str:
    try:
        return checksums.of(path).md5
    except OSError:
        return ""
