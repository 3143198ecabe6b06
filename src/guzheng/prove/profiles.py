"""Court profiles: what a medium or a filing system takes, as data; and what a package exceeds.

The profiles that come with guzheng are properties of media, each with its source, and one
example. A court's own limits are the operator's to enter, in a TOML file of the same form:
nothing here claims to be the rule of a court. Each excess is named before anything is written,
with the way to cure it.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast, get_args

from guzheng.refusals import Refused

Container = Literal["iso", "zip", "folder"]
_CONTAINERS = get_args(Container)
_SECTOR = 2048
_DISC_OVERHEAD = 1 << 20  # volume descriptors, path tables, both directory trees
Burner = Literal["xorriso", "pycdlib"]
# How long a name may be in Joliet's tree: xorriso widens it to 103 UTF-16 units, pycdlib takes
# 64 and counts octets of UTF-8.
_LONGEST: Mapping[Burner, int] = {"xorriso": 103, "pycdlib": 64}
_TEXTS = ("zh", "en", "container", "source_zh", "source_en")
_COUNTS = ("capacity", "file_limit")


@dataclass(frozen=True, slots=True)
class Profile:
    """One medium or door. A limit of 0 is none; empty `types`: all are taken."""

    name: str
    zh: str
    en: str
    container: Container
    capacity: int
    file_limit: int
    types: tuple[str, ...]
    source_zh: str
    source_en: str

    def title(self, language: str) -> str:
        return self.zh if language == "zh" else self.en

    def source(self, language: str) -> str:
        """Where its numbers come from."""
        return self.source_zh if language == "zh" else self.source_en


@dataclass(frozen=True, slots=True)
class Violation:
    """What does not fit: a code with words, what it is about, both numbers. `cured`: it is
    cured by writing several volumes, which happens by itself."""

    code: str
    subject: str
    expected: str
    found: str
    cured: bool = False


@dataclass(frozen=True, slots=True)
class Extent:
    """An exhibit as it will lie on the medium: member → octets."""

    exhibit: str
    members: Mapping[str, int]

    def size(self, container: Container) -> int:
        if container == "iso":
            # A directory record stands in both trees; each file begins a sector of its own.
            sectors = sum(math.ceil(one / _SECTOR) + 1 for one in self.members.values())
            return sectors * _SECTOR
        # In a zip a name stands twice, beside two headers.
        return sum(size + 2 * len(name.encode()) + 180 for name, size in self.members.items())


@cache
def own_profiles() -> Mapping[str, Profile]:
    """Those that come with guzheng."""
    text = files(__package__).joinpath("media.toml").read_text("utf-8")
    return _read(text, "media.toml")


def profiles(file: Path | None = None) -> Mapping[str, Profile]:
    """Those of the operator's file first, then ours. Raises Refused for a file out of form."""
    if file is None:
        return own_profiles()
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(str(file), str(error)) from error
    return {**_read(text, str(file)), **own_profiles()}


def require_profile(known: Mapping[str, Profile], name: str) -> Profile:
    """Raises Refused (`package.profile-not-found`) with the names there are."""
    if name not in known:
        raise Refused(
            "package.profile-not-found",
            expected=", ".join(known),
            found=repr(name[:60]),
            act="choose one of these",
        )
    return known[name]


def _read(text: str, file: str) -> Mapping[str, Profile]:
    try:
        tables = tomllib.loads(text)
    except ValueError as error:
        raise _refused(file, str(error)) from error
    return {name: _profile(name, table, file) for name, table in tables.items()}


def _profile(name: str, table: object, file: str) -> Profile:
    if not isinstance(table, dict) or set(table) != {*_TEXTS, *_COUNTS, "types"}:
        raise _refused(file, f"{name}: fields {', '.join((*_TEXTS, *_COUNTS, 'types'))}")
    types = table["types"]
    if (
        not all(isinstance(table[one], str) and table[one] for one in _TEXTS)
        or not all(type(table[one]) is int and table[one] >= 0 for one in _COUNTS)
        or not isinstance(types, list)
        or not all(isinstance(one, str) for one in types)
        or table["container"] not in _CONTAINERS
    ):
        raise _refused(file, f"{name}: a value of another kind")
    return Profile(
        name,
        table["zh"],
        table["en"],
        cast("Container", table["container"]),
        table["capacity"],
        table["file_limit"],
        tuple(one.lower().lstrip(".") for one in types),
        table["source_zh"],
        table["source_en"],
    )


def _refused(file: str, found: str) -> Refused:
    return Refused(
        "package.profiles-refused",
        expected="a file of court profiles in the form of docs/court-package.md",
        found=f"{file}: {found}"[:300],
        act="mend the file that the setting court_profiles names",
    )


def volumes(profile: Profile, extents: Sequence[Extent], beside: int) -> list[list[str]]:
    """Which exhibits go onto which volume, in their order; an exhibit is never divided.

    `beside`: octets of what lies on every volume besides."""
    room = _room(profile, beside)
    made: list[list[str]] = [[]]
    left = room
    for one in extents:
        size = one.size(profile.container)
        if room and made[-1] and size > left:
            made.append([])
            left = room
        made[-1].append(one.exhibit)
        left -= size
    return made


def _room(profile: Profile, beside: int) -> int:
    if not profile.capacity:
        return 0
    return max(1, profile.capacity - _taken(profile, beside))


def _taken(profile: Profile, beside: int) -> int:
    """What every volume needs besides its exhibits."""
    return beside + (_DISC_OVERHEAD if profile.container == "iso" else 0)


def violations(
    profile: Profile, extents: Sequence[Extent], beside: int, burner: Burner = "xorriso"
) -> tuple[Violation, ...]:
    """Everything that the profile does not take, with what cures itself by more volumes.

    `burner`: who writes the image, where it is for a disc."""
    found: list[Violation] = []
    room = _room(profile, beside)
    for one in extents:
        size = one.size(profile.container)
        if room and size > room:
            # As the court knows its limit: of the whole volume, documents and all.
            limits = f"{profile.capacity:,}", f"{size + _taken(profile, beside):,}"
            found.append(Violation("package.exhibit-too-large", one.exhibit, *limits))
        for member, size in one.members.items():
            found += _of_member(profile, member, size, burner)
    count = len(volumes(profile, extents, beside))
    if count > 1:
        found.append(
            Violation("package.several-volumes", profile.name, "1", str(count), cured=True)
        )
    return tuple(found)


def _of_member(profile: Profile, member: str, size: int, burner: Burner) -> list[Violation]:
    found = []
    if profile.container != "zip":
        if profile.file_limit and size > profile.file_limit:
            limits = f"{profile.file_limit:,}", f"{size:,}"
            found.append(Violation("package.file-too-large", member, *limits))
        if profile.types and "/items/" in member and _ending(member) not in profile.types:
            found.append(
                Violation(
                    "package.type-not-taken", member, ", ".join(profile.types), _ending(member)
                )
            )
    if profile.container == "iso":
        for name in member.split("/"):
            if (fault := _disc_fault(name, burner)) is not None:
                found.append(Violation("package.name-not-for-disc", member, fault, name))
    return found


def _ending(member: str) -> str:
    stem, dot, ending = member.rpartition("/")[2].rpartition(".")
    return ending.lower() if stem and dot else ""


def _disc_fault(name: str, burner: Burner) -> str | None:
    """Why Windows would show this name otherwise (Joliet); the others read Rock Ridge."""
    longest = _LONGEST[burner]
    if (len(name) if burner == "xorriso" else len(name.encode())) > longest:
        return f"≤ {longest}"
    if ";" in name or any(ord(one) > 0xFFFF for one in name):
        return "UCS-2, no ;"
    return None
