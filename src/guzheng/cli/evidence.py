"""Commands about exhibits: deposit, list, show, package, roots."""

import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

import click

from guzheng import origin
from guzheng.app import ExhibitView, Platform
from guzheng.cli.options import common, limited, opened, opened_to_stamp
from guzheng.cli.speaking import Speaker, status_of
from guzheng.intake import unreadable
from guzheng.refusals import Problem, Refused
from guzheng.words import find_words

_BLOCK = 1 << 20
_HTTP_ERROR, _HTTP_SCOPE = "capture.http-error-status", "scope.http-error"


class _Claims(TypedDict):
    """What the applicant says himself."""

    claimed_name: str | None
    claimed_applicant: str | None
    claimed_purpose: str | None


@click.command("deposit")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…"
)
@click.option(
    "--hash-only",
    is_flag=True,
    help="只固化指纹，文件留在您手里 / only the digest; the file stays with you",
)
@click.option(
    "--as", "stored_name", help="以此名称保存（仅一个文件时）/ keep under this name (one file)"
)
@click.option("--name", help="证据名称 / evidence name")
@click.option("--applicant", help="申请人（自述）/ applicant, as stated")
@click.option("--purpose", help="用途 / purpose")
@common
def deposit(
    files: tuple[Path, ...],
    hash_only: bool,  # noqa: FBT001 - click passes flags by name
    stored_name: str | None,
    name: str | None,
    applicant: str | None,
    purpose: str | None,
    data: Path,
    speaker: Speaker,
) -> int:
    """固化文件，每个文件一份证据 / fix files, one exhibit each."""
    if stored_name and len(files) > 1:
        raise click.UsageError("--as 只用于一个文件 / --as takes one file")
    platform = opened_to_stamp(data)
    texts = _Claims(claimed_name=name, claimed_applicant=applicant, claimed_purpose=purpose)
    exhibits, worst = [], 0
    for file in files:
        try:
            _require_plain(file)
            exhibits.append(
                _received(platform, file, stored_name or file.name, texts, hash_only=hash_only)
            )
        except Problem as problem:  # the other files are still fixed
            speaker.problem(problem)
            worst = max(worst, status_of(problem))
    return max(walked(platform, speaker, exhibits), worst)


def _require_plain(file: Path) -> None:
    """Before it is opened: a pipe or a device would be read for ever."""
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from error
    if not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "neither file nor folder"
        raise unreadable(file, ValueError(found))


def _received(
    platform: Platform, file: Path, name: str, texts: _Claims, *, hash_only: bool
) -> str:
    if hash_only:
        return platform.deposit_digest(file, name, **texts)
    return platform.deposit(name, _blocks(file), **texts)


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                yield block
    except OSError as error:
        raise unreadable(file, error) from error


def walked(
    platform: Platform,
    speaker: Speaker,
    exhibits: list[str],
    then: Callable[[str], object] = lambda _exhibit: None,
) -> int:
    """Walk each to its end, and do what is to be done then; the worst status of all."""
    worst = 0
    for exhibit in exhibits:
        speaker.note("cli.walking", exhibit=exhibit)
        try:
            platform.walk(exhibit, speaker.step)
        except Problem as problem:  # durable and on its way; the worker goes on
            speaker.problem(problem)
            worst = max(worst, status_of(problem))
        then(exhibit)
    for exhibit in exhibits:
        view = platform.exhibit(exhibit)
        if view.refusal is not None:
            speaker.problem(Refused(**view.refusal))
            if any(one.name == "certificate.pdf" for one in view.papers):
                speaker.note("cli.attempt-certified")
            worst = max(worst, 1)
        notes = (view.facts or {}).get("capture") or {}
        if isinstance(notes, dict) and _HTTP_ERROR in (notes.get("notes") or ()):
            speaker.problem(
                Refused(
                    _HTTP_ERROR,
                    expected="a page (HTTP status below 400)",
                    found=f"HTTP {notes.get('observed_status')}",
                    act="what came is sealed as it is; capture again if you want the page",
                )
            )
            worst = max(worst, 1)
        worst = max(worst, _told_origin(speaker, view), _told_scope(speaker, view))
        speaker.exhibit(platform, view)
    return worst


def _told_origin(speaker: Speaker, view: ExhibitView) -> int:
    """What the check of the origin came to: nobody who waits for it may overlook it."""
    found = origin.of_facts((view.facts or {}).get("capture"))
    if found is None:
        return 0
    if not found.failed:
        speaker.note(found.code)
        for code in found.because:
            speaker.note(code)
        return 0
    reasons = " ".join(find_words(one, speaker.language) or one for one in found.because)
    speaker.problem(
        Refused(
            found.code,
            expected="no name preset, resolvers that agree on the page, no outside proxy",
            found=reasons,
            act="what came is sealed as it is, and marked; mend the network, capture again",
        )
    )
    return 1


def _told_scope(speaker: Speaker, view: ExhibitView) -> int:
    """That a wall was got instead of the page, or nothing to be seen: what an HTTP status says
    was told above."""
    facts = (view.facts or {}).get("capture")
    judged = facts.get("scope") if isinstance(facts, dict) else None
    told = 0
    for one in judged if isinstance(judged, list) else ():
        code = str(one.get("code")) if isinstance(one, dict) else ""
        if code in {"", _HTTP_SCOPE}:
            continue
        signs = one.get("because")
        listed = signs if isinstance(signs, list) else []
        found = "; ".join(str(each.get("found")) for each in listed if isinstance(each, dict))
        speaker.problem(
            Refused(
                code,
                expected="the page that was asked for",
                found=found[:300],
                act="what came is sealed as it is, and marked; look at it before you use it",
            )
        )
        told = 1
    return told


@click.command("list")
@limited
@common
def list_(limit: int, data: Path, speaker: Speaker) -> int:
    """列出证据，最新的在前 / list exhibits, newest first."""
    platform = opened(data)
    views = platform.exhibits(limit)
    for view in views:
        speaker.exhibit(platform, view)
    if not views:
        speaker.note("cli.no-exhibits")
    return 0


@click.command("show")
@click.argument("exhibit")
@common
def show(exhibit: str, data: Path, speaker: Speaker) -> int:
    """显示一份证据 / show one exhibit."""
    platform = opened(data)
    view = platform.exhibit(exhibit)
    speaker.exhibit(platform, view)
    if view.entry is not None:
        speaker.entry(view.entry)
    for paper in view.papers:
        speaker.note("cli.paper", name=paper.name, size=f"{paper.size:,}")
    for name in view.missing:
        speaker.note("cli.paper-missing", name=name)
    if view.refusal is not None:
        speaker.problem(Refused(**view.refusal))
    return 0


@click.command("roots")
@common
def roots(data: Path, speaker: Speaker) -> int:
    """输出信任的根证书（PEM）/ print the trust roots as PEM."""
    _ = speaker
    sys.stdout.write(opened(data).roots_pem().decode())
    return 0


COMMANDS = (deposit, list_, show, roots)
