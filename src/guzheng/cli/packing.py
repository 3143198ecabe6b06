"""The command that packs for a court: one zip, or volumes for a medium with their documents."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import click

from guzheng.app import Platform
from guzheng.app.exports import of_case
from guzheng.app.volumes import WantedPackage
from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker, legible
from guzheng.proof import canonical
from guzheng.proof.report import Outcome
from guzheng.prove import Chosen, Selection
from guzheng.refusals import Problem, Refused
from guzheng.words import find_words, say

_DOCUMENTS = {"label": "labels"} | {
    one: one for one in ("catalogue", "disclosure", "certification", "page", "rehearsal")
}


@click.command("package")
@click.argument("exhibits", nargs=-1, metavar="ID…")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="写成一个 zip，写到哪里 / the zip to write",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="按介质写到这个目录 / a folder for the volumes, made for a medium",
)
@click.option("--profile", default=None, help="介质或法院配置 / medium or court profile")
@click.option("--iso", is_flag=True, help="光盘映像，即 --profile dvd / disc images")
@click.option("--case", "case", help="案卷编号，取其证据与证明目的 / the exhibits of a case")
@click.option(
    "--after",
    default=0,
    type=click.IntRange(0),
    metavar="N",
    help="跳过案卷的前 N 份 / leave out the first N of a case",
)
@click.option("--title", default="", help="印在目录与标签上 / printed on list and labels")
@click.option("--purpose", default="", help="证明目的 / what they are to prove")
@click.option("--submitter", default="", help="提交人 / who submits")
@click.option("--catalogue", is_flag=True, help="附证据目录 / with the list of evidence")
@click.option("--label", is_flag=True, help="附光盘与 U 盘标签 / with labels")
@click.option("--disclosure", is_flag=True, help="附平台披露表 / with the disclosure sheet")
@click.option("--certification", is_flag=True, help="附 FRE 902 证明（英文）/ for US courts")
@click.option(
    "--rehearsal",
    is_flag=True,
    help="另写质证预演，仅供本方，不装入包内 / beside it, for your own side only",
)
@click.option("--page", is_flag=True, help="附离线核验页 / with verify.html")
@common
def package(
    exhibits: tuple[str, ...],
    out: Path | None,
    into: Path | None,
    profile: str | None,
    iso: bool,  # noqa: FBT001 - click passes flags by name
    case: str | None,
    after: int,
    title: str,
    purpose: str,
    submitter: str,
    data: Path,
    speaker: Speaker,
    **documents: bool,
) -> int:
    """打包司法提交包 / make the court package."""
    platform = opened(data)
    if (out is None) == (into is None) or bool(exhibits) == bool(case):
        raise click.UsageError(
            "--out 或 --into 之一；ID… 或 --case 之一 / one of --out and --into, "
            "and one of ID… and --case"
        )
    if case:
        selection = _of_case(platform, case, after, speaker)
    else:
        chosen = tuple(Chosen(one, purpose) for one in dict.fromkeys(exhibits))
        selection = Selection(chosen)
    selection = replace(selection, title=title or selection.title, submitter=submitter)
    if out is not None:
        if profile or iso or any(documents.values()):
            raise click.UsageError("介质与文书须用 --into / a medium and documents need --into")
        return _one_zip(platform, [one.exhibit for one in selection.entries], out, speaker)
    printed = tuple(name for option, name in _DOCUMENTS.items() if documents[option])
    onto = profile or ("dvd" if iso else "zip")
    wanted = WantedPackage(selection, onto, printed, speaker.language)
    return _volumes(platform, wanted, into or data, speaker)


def _of_case(platform: Platform, case: str, after: int, speaker: Speaker) -> Selection:
    """The exhibits of a case, and a word where there are more of them."""
    whole = len(platform.cases.case(case).exhibits)
    found = of_case(platform.cases, case, after, speaker.language)
    until = after + len(found.entries)
    if found.entries and (after or until < whole):
        speaker.note("page.package.portion", whole=whole, first=after + 1, last=until)
    return found


def _one_zip(platform: Platform, exhibits: list[str], out: Path, speaker: Speaker) -> int:
    if not out.parent.is_dir():
        raise Refused(
            "package.no-folder",
            expected="a folder to write into",
            found=str(out.parent),
            act="make the folder, or choose another",
        )
    report = platform.write_package(exhibits, out)
    for one in exhibits:
        speaker.exhibit(platform, platform.exhibit(one))
    speaker.note("cli.packed", path=legible(str(out)))
    passed, unsure = (len(report.of(one)) for one in (Outcome.PASSED, Outcome.NOT_CHECKED))
    speaker.note("cli.packed-verified", passed=passed, unsure=unsure)
    return 0


def _volumes(platform: Platform, wanted: WantedPackage, into: Path, speaker: Speaker) -> int:
    if not into.parent.is_dir() or into.exists():
        raise Refused(
            "package.no-folder",
            expected="a folder that is not there yet, in one that is",
            found=str(into),
            act="choose another",
        )
    checked = platform.packaging.check(wanted)
    for one in checked.violations:
        speaker.note(
            "cli.package-violation",
            what=_said(speaker, one.code),
            excess=say(
                f"excess.{one.code}",
                speaker.language,
                subject=legible(one.subject),
                expected=one.expected,
                found=legible(one.found),
            ),
            cure=_said(speaker, f"cure.{one.code}"),
        )
    if checked.absent:
        speaker.note("page.package.no-page")
    if checked.maker == "pycdlib":
        speaker.note("page.package.no-xorriso")
    into.mkdir()
    try:
        written = platform.packaging.write(wanted, into)
    except Problem:
        shutil.rmtree(into, ignore_errors=True)
        raise
    for made in written:
        speaker.note("cli.packed", path=legible(str(into / made.name)))
        if made.is_volume:
            speaker.note("cli.packed-verified", passed=made.passed, unsure=made.unsure)
        else:
            speaker.note("page.package.apart-note")
        if speaker.as_json:
            sys.stdout.write(canonical.encode(made.value()).decode() + "\n")
        elif made.sha256:  # as sha256sum writes it
            sys.stdout.write(f"{made.sha256}  {legible(made.name)}\n")
    return 0


def _said(speaker: Speaker, code: str) -> str:
    return find_words(code, speaker.language) or code


COMMANDS = (package,)
