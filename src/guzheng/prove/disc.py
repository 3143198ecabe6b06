"""An ISO 9660 image of a package's folder, with Joliet and Rock Ridge names.

xorriso writes it where it is installed, else pycdlib; `Made.by` says which. Names in Chinese
are whole in both trees. Dates and owners are fixed, so that the same folder gives the same
image, octet by octet, from the same version of the same program. What was written is read
back, whoever wrote it, and every member compared with the listing.

Refuses to replace a file, and gives out none that reads back otherwise.
"""

import contextlib
import hashlib
import itertools
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from guzheng.proof.digest import Digest
from guzheng.refusals import Refused, Unavailable

_BLOCK = 1 << 20
_SECONDS = 6 * 3600  # a full Blu-ray disc on a slow disk; then something hangs
_SECTOR, _FIRST_DESCRIPTOR = 2048, 16
_MODIFIED, _EFFECTIVE = 830, 864  # where a volume descriptor has these dates
_LEVEL = 3  # files of 4 GiB and more, in several extents


@dataclass(frozen=True, slots=True)
class Made:
    """The image that lies at `path`; `by`: the program and its version."""

    path: Path
    by: str
    sha256: Digest
    size: int


def find_xorriso() -> str | None:
    return shutil.which("xorriso")


def write_iso(
    folder: Path,
    out: Path,
    listing: Mapping[str, Digest],
    *,
    volume: str,
    dated_at: datetime,
    xorriso: str | None,
) -> Made:
    """The image of `folder` at `out`, where nothing is yet. `volume`: at most 16 of
    A–Z, 0–9 and _."""
    if xorriso is not None:
        by = _with_xorriso(xorriso, folder, out, volume, dated_at)
    else:
        by = _with_pycdlib(folder, out, volume, dated_at)
    found = digests_in(out)
    if found != dict(listing):
        differing = sorted(
            name for name in {*found, *listing} if found.get(name) != listing.get(name)
        )
        raise Unavailable(
            "package.disc-differs",
            expected="an image that reads back as what was written",
            found=", ".join(differing[:5]),
            act="the operator examines the disk of this machine, and the program that wrote it",
        )
    with out.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    return Made(out, by, Digest("sha256", digest), out.stat().st_size)


def digests_in(image: Path) -> dict[str, Digest]:
    """Every file of an image by its Rock Ridge name, as pycdlib reads it."""
    # Loaded where a disc is made: it takes a tenth of a second, which no other command owes.
    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    iso: Any = pycdlib.PyCdlib()
    try:
        iso.open(str(image))
        try:
            found = {}
            for folder, _, names in iso.walk(rr_path="/"):
                for name in names:
                    path = f"{folder.rstrip('/')}/{name}"
                    found[path.lstrip("/")] = _digest_of(iso, path)
            return found
        finally:
            iso.close()
    except PyCdlibException as error:
        raise Refused(
            "package.disc-unreadable",
            expected="an ISO 9660 image with Rock Ridge names",
            found=str(error)[:200],
            act="write it again",
        ) from error


def _digest_of(iso: Any, path: str) -> Digest:
    hasher = hashlib.sha256()
    with iso.open_file_from_iso(rr_path=path) as stream:
        while block := stream.read(_BLOCK):
            hasher.update(block)
    return Digest("sha256", hasher.digest())


# ---- xorriso -------------------------------------------------------------------------


def _with_xorriso(
    xorriso: str, folder: Path, out: Path, volume: str, dated_at: datetime
) -> str:
    moment = f"{dated_at.astimezone(UTC):%Y%m%d%H%M%S}00"
    version = _run([xorriso, "-version"]).splitlines()
    _run(
        [
            *(xorriso, "-as", "mkisofs", "-V", volume, "-iso-level", str(_LEVEL)),
            *("-J", "-joliet-long", "-R", "-input-charset", "utf-8"),
            *("-output-charset", "utf-8", "-uid", "0", "-gid", "0"),
            *("-file-mode", "0444", "-dir-mode", "0555"),
            *("--modification-date=" + moment, "--set_all_file_dates", moment),
            *("-o", str(out), str(folder)),
        ]
    )
    found = next((one for one in version if one.startswith("xorriso")), "xorriso")
    return " ".join(found.split()[:2])


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=_SECONDS,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(command[0], str(error)) from error
    told = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
    if done.returncode:
        lines = [one for one in told.splitlines() if "FAILURE" in one or "FATAL" in one]
        raise _failed(command[0], "; ".join(lines)[:300] or f"status {done.returncode}")
    return told


def _failed(program: str, found: str) -> Unavailable:
    return Unavailable(
        "package.disc-failed",
        expected="an image of the folder",
        found=f"{Path(program).name}: {found}",
        act="the operator looks whether the disk is full, and at what the program says",
    )


# ---- pycdlib -------------------------------------------------------------------------


def _with_pycdlib(folder: Path, out: Path, volume: str, dated_at: datetime) -> str:
    from importlib.metadata import version

    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    iso: Any = pycdlib.PyCdlib()
    try:
        iso.new(interchange_level=_LEVEL, joliet=3, rock_ridge="1.09", vol_ident=volume)
        _fill(iso, folder)
        _date(iso, dated_at)
        with out.open("xb") as stream:
            iso.write_fp(stream)
        _date_descriptors(out, dated_at)
    except PyCdlibException as error:
        raise _failed("pycdlib", str(error)[:200]) from error
    finally:
        with contextlib.suppress(PyCdlibException):
            iso.close()
    return f"pycdlib {version('pycdlib')}"


def _fill(iso: Any, folder: Path) -> None:
    """In the order of names; the ISO 9660 names are numbers, since nobody is to read them."""
    short: dict[str, str] = {".": ""}
    for number, path in enumerate(sorted(folder.rglob("*")), 1):
        name = path.relative_to(folder).as_posix()
        parent = short[path.relative_to(folder).parent.as_posix()]
        if path.is_dir():
            short[name] = f"{parent}/D{number:07d}"
            iso.add_directory(
                short[name], rr_name=path.name, joliet_path=f"/{name}", file_mode=0o040555
            )
        else:
            iso.add_file(
                str(path),
                f"{parent}/F{number:07d}.;1",
                rr_name=path.name,
                joliet_path=f"/{name}",
                file_mode=0o100444,
            )


def _date(iso: Any, at: datetime) -> None:
    """pycdlib dates everything by the clock of the machine: put this date in its place."""
    from pycdlib.dates import VolumeDescriptorDate

    utc = at.astimezone(UTC)
    whole = _stamp(at)
    for descriptor in (iso.pvd, iso.joliet_vd):
        descriptor.volume_creation_date = VolumeDescriptorDate()
        descriptor.volume_creation_date.parse(whole)
        waiting = [descriptor.root_directory_record()]
        while waiting:
            record = waiting.pop()
            for one in _stamps_of(record):
                one.years_since_1900, one.month, one.day_of_month = (
                    utc.year - 1900,
                    utc.month,
                    utc.day,
                )
                one.hour, one.minute, one.second = utc.hour, utc.minute, utc.second
                one.gmtoffset = 0
            if record.is_dir() and (record.is_root or not _is_link(record)):
                waiting += record.children


def _stamp(at: datetime) -> bytes:
    """ECMA-119 §8.4.26.1: digits, and the offset from Greenwich."""
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}00".encode() + b"\0"


def _date_descriptors(image: Path, at: datetime) -> None:
    """These two are the clock's again when pycdlib writes: ECMA-119 §8.4.27, §8.4.29."""
    with image.open("r+b") as stream:
        for sector in itertools.count(_FIRST_DESCRIPTOR):
            stream.seek(sector * _SECTOR)
            kind = stream.read(1)
            if kind not in {b"\1", b"\2"}:  # primary, supplementary; then the end of the set
                return
            for place in (_MODIFIED, _EFFECTIVE):
                stream.seek(sector * _SECTOR + place)
                stream.write(_stamp(at))


def _is_link(record: Any) -> bool:
    """`.` and `..`, which lead back to a folder that is seen anyway."""
    return bool(record.is_dot() or record.is_dotdot())


def _stamps_of(record: Any) -> list[Any]:
    stamps = [record.date]
    if record.rock_ridge is not None:
        for entries in (record.rock_ridge.dr_entries, record.rock_ridge.ce_entries):
            if entries is not None and entries.tf_record is not None:
                stamps += [getattr(entries.tf_record, name) for name in _ROCK_RIDGE_TIMES]
    return [one for one in stamps if one is not None]


_ROCK_RIDGE_TIMES = ("access_time", "modification_time", "attribute_change_time")
