"""Commands of the operator: rebuild, fsck, selfcheck, doctor."""

import contextlib
import shutil
import sys
from pathlib import Path

import click

from guzheng.app import Platform, set_aside_damaged, system_now
from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker, legible
from guzheng.proof import canonical
from guzheng.refusals import Problem
from guzheng.words import find_words


@click.command("rebuild")
@common
def rebuild(data: Path, speaker: Speaker) -> int:
    """由证据文件重建索引 / make the index again from the papers."""
    for aside in set_aside_damaged(data, system_now()):
        speaker.note("cli.set-aside", path=legible(str(aside)))
    platform = opened(data)
    rebuilt = platform.rebuild()
    for fault in rebuilt.damaged:
        speaker.fault(fault)
    speaker.note("cli.rebuilt", count=rebuilt.count)
    for view in platform.exhibits(max(rebuilt.count, 1)):
        speaker.exhibit(platform, view)
    return 1 if rebuilt.damaged else 0


@click.command("fsck")
@common
def fsck(data: Path, speaker: Speaker) -> int:
    """逐字节检查全部证据与账本 / check every byte of exhibits and ledger."""
    platform = opened(data)
    faults = platform.fsck(lambda exhibit: speaker.step("checking", exhibit))
    for fault in faults:
        speaker.fault(fault)
    if speaker.as_json:  # the faults first, then every exhibit as everywhere
        for view in platform.exhibits(max(platform.index.count(), 1)):
            speaker.exhibit(platform, view)
    speaker.note("cli.fsck-clean" if not faults else "cli.fsck-faults", count=len(faults))
    return 1 if faults else 0


@click.command("selfcheck")
@common
def selfcheck(data: Path, speaker: Speaker) -> int:
    """自检并写入账本 / look at this installation, and write down what was found."""
    record = opened(data).selfchecking.check()
    for one in record.findings:
        _tell_line(speaker, "selfcheck", one.name, one.observed, good=one.passed)
    failed = len(record.failed)
    speaker.note(
        "cli.selfchecked",
        number=record.number,
        passed=len(record.findings) - failed,
        failed=failed,
    )
    return 1 if failed else 0


@click.command("doctor")
@common
def doctor(data: Path, speaker: Speaker) -> int:
    """检查本机能做什么 / tell what this machine can do."""
    platform = opened(data)
    free = shutil.disk_usage(data).free
    browser = platform.find_browser()
    checks = [
        ("keys", *platform.tending.keys()),
        ("keys-ending", *platform.tending.keys_ending()),
        ("sm2", *platform.tending.sm2()),
        ("ledger", True, platform.ledger.origin),
        ("disk", free > 2 << 30, f"{free / 2**30:.1f} GiB"),
        ("browser", browser is not None, browser or "apt-get install chromium"),
        ("fonts", *platform.tending.fonts()),
        ("clock", *_clock(platform)),
    ]
    for name, good, detail in checks:
        _tell_line(speaker, "doctor", name, detail, good=good)
    return 0


def _tell_line(speaker: Speaker, family: str, name: str, detail: str, *, good: bool) -> None:
    if speaker.as_json:
        line = {"check": name, "good": good, "detail": detail}
        sys.stdout.write(canonical.encode(line).decode() + "\n")
    else:
        speaker.say(
            "cli.doctor-line",
            mark="✓" if good else "!",
            what=find_words(f"{family}.{name}", speaker.language) or name,
            detail=detail,
        )


def _clock(platform: Platform) -> tuple[bool, str]:
    """Whether it is verified; the sources with offset and bound, or what they said instead."""
    with contextlib.suppress(Problem):  # what it is, the reading says
        platform.measure_clock()
    reading = platform.clock()
    said = [f"{name}: {reason.removeprefix(f'{name}: ')}" for name, reason in reading.silent]
    said += [f"{name}: contradicts" for name in reading.false]
    if reading.problem is not None:
        said.insert(0, f"{reading.problem.code}: {reading.problem.found}")
    if reading.verified:
        offset, bound = reading.offset_ms or 0.0, reading.uncertainty_ms or 0.0
        said.insert(0, f"{offset:+.1f} ms, ±{bound:.0f} ms")
    return reading.verified, legible("; ".join([reading.source or reading.profile, *said]))


COMMANDS = (rebuild, fsck, selfcheck, doctor)
