"""How commands speak: progress and problems on standard error, results on standard output."""

import sys

from guzheng.app import EntryView, ExhibitView, Platform
from guzheng.keep import Fault
from guzheng.proof import canonical, instant
from guzheng.refusals import Problem, Unavailable
from guzheng.words import Language, find_words, say

EX_TEMPFAIL = 75  # sysexits.h: it may work later


_ENTRIES = {
    "sequenced": "cli.entry-sequenced",
    "checkpointed": "cli.entry-checkpointed",
    "cosigned": "cli.entry-cosigned",
    "anchored": "cli.entry-anchored",
}


def status_of(problem: Problem) -> int:
    return EX_TEMPFAIL if isinstance(problem, Unavailable) else 1


class Speaker:
    """Words in one language, or JSON."""

    def __init__(self, language: Language, *, as_json: bool = False) -> None:
        self.language = language
        self.as_json = as_json

    def say(self, code: str, **facts: object) -> None:
        sys.stdout.write(say(code, self.language, **facts) + "\n")

    def note(self, code: str, **facts: object) -> None:
        """A line that is not a result: standard error."""
        sys.stderr.write(say(code, self.language, **facts) + "\n")
        sys.stderr.flush()

    def step(self, step: str, detail: str) -> None:
        """Progress of the road or of a capture."""
        words = find_words(f"progress.{step}", self.language) or find_words(
            f"cli.{step}", self.language
        )
        sys.stderr.write(f"  · {words or step}{'  ' + legible(detail) if detail else ''}\n")
        sys.stderr.flush()

    def problem(self, problem: Problem) -> None:
        """What was expected, what was found, who must act; the code too, to search for."""
        known = find_words(problem.code, self.language)
        known = known or find_words(f"proof.{problem.code}", self.language)
        words = known or problem.code
        lines = [f"guzheng: {words} [{problem.code}]"]
        act = find_words(f"act.{problem.code}", self.language) or problem.act
        facts = {"expected": problem.expected, "found": problem.found, "act": act}
        lines += [
            f"    {say(f'cli.{name}', self.language)} {legible(value)}"
            for name, value in facts.items()
            if value
        ]
        sys.stderr.write("\n".join(lines) + "\n")

    def fault(self, fault: Fault) -> None:
        """One thing that is not as it was written: its name, and what is wrong with it."""
        if self.as_json:
            value = {
                "place": fault.place,
                "code": fault.code,
                "expected": fault.expected,
                "found": fault.found,
            }
            sys.stdout.write(canonical.encode(value).decode() + "\n")
            return
        words = (
            find_words(f"proof.{fault.code}", self.language)
            or find_words(fault.code, self.language)
            or fault.code
        )
        sys.stdout.write(f"✗ {legible(fault.place)}: {words} [{fault.code}]\n")
        if fault.expected or fault.found:
            sys.stdout.write(f"    {legible(fault.expected)} ≠ {legible(fault.found)}\n")

    def entry(self, entry: EntryView) -> None:
        """How far the entry has come, who has cosigned it, and who is awaited."""
        witnesses = tuple(
            f"{legible(one.name)} ({instant.beijing(one.attested_at)})"
            for one in entry.witnesses
        )
        self.note(_ENTRIES[entry.state], index=entry.index, witnesses=witnesses or "—")
        if entry.awaited:
            self.note("cli.entry-awaits", names=tuple(map(legible, entry.awaited)))

    def exhibit(self, platform: Platform, view: ExhibitView) -> None:
        """One exhibit: a JSON line, or a few lines of words."""
        if self.as_json:
            sys.stdout.write(canonical.encode(line_of(platform, view)).decode() + "\n")
            return
        number = str((view.facts or {}).get("number", "—"))
        self.say(
            "cli.exhibit",
            exhibit=view.exhibit,
            state=say(f"state.{view.state}", self.language),
            number=number,
            name=legible(view.claimed_name),
            folder=platform.folder(view.exhibit),
        )


def line_of(platform: Platform, view: ExhibitView) -> dict[str, object]:
    """What `--json` says of an exhibit."""
    line: dict[str, object] = {
        "exhibit": view.exhibit,
        "folder": str(platform.folder(view.exhibit).resolve()),
        "state": view.state,
        "missing": list(view.missing),
        "kind": view.kind,
        "claimed_name": view.claimed_name,
        "observed_at": instant.encode(view.observed_at),
    }
    if view.entry is not None:
        line["entry"] = entry_value(view.entry)
    if view.facts is not None:
        line["number"] = view.facts.get("number")
        line["seal"] = view.facts.get("seal")
    if view.url is not None:
        line["url"] = view.url
    order = platform.ordering.of_exhibit(view.exhibit) if view.kind == "web" else None
    if order is not None:
        line["order"] = order.commission.commission
        line["order_state"] = order.state
        line["preview"] = platform.find_picture(view.exhibit)
    if view.refusal is not None:
        line["refusal"] = dict(view.refusal)
    return line


def entry_value(entry: EntryView) -> dict[str, object]:
    return {
        "state": entry.state,
        "index": entry.index,
        "witnesses": [
            {"name": one.name, "attested_at": instant.encode(one.attested_at)}
            for one in entry.witnesses
        ],
        "awaited": list(entry.awaited),
    }


def legible(text: str) -> str:
    """Text from outside must not steer the terminal."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
