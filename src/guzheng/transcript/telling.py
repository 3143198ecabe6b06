"""What was found, for a program and for a person. Words come from the catalogue, by code."""

from typing import cast

from guzheng.proof.digest import sha256
from guzheng.proof.errors import Undecided
from guzheng.proof.report import Finding, Outcome
from guzheng.transcript.checking import Examined
from guzheng.transcript.comparing import Completeness
from guzheng.transcript.exchanges import Exchange
from guzheng.transcript.layout import under
from guzheng.transcript.wire import CLEAR, Opened
from guzheng.words import Language, find_words, say

SCHEMA = "guzheng.transcript-report/1"
_MARK = {Outcome.PASSED: "✓", Outcome.NOT_CHECKED: "–", Outcome.FAILED: "✗"}
POINT = "guzheng.trace-point/1"
_BOXES = 8  # one upon another, that are told
_SHOWN = 40  # of what is missing; JSON has all


def value_of(found: Examined, *, with_exchanges: bool) -> dict[str, object]:
    value: dict[str, object] = {
        "schema": SCHEMA,
        "exhibit": found.exhibit,
        "outcome": found.report.outcome.value,
        "connections": [_connection(one) for one in found.opened],
        "findings": [_finding(one) for one in found.report.findings],
    }
    if found.completeness is not None:
        value["completeness"] = found.completeness.value()
    if with_exchanges:
        listed = [each for one in found.opened for each in one.exchanges]
        value["exchanges"] = [_exchange(one) for one in listed]
    return value


def _connection(one: Opened) -> dict[str, object]:
    session = one.session
    value: dict[str, object] = {
        "number": one.told.number,
        "host": one.told.host,
        "port": one.told.port,
        "peer": one.told.peer,
        "protocol": session.version if session else CLEAR,
        "opened": one.is_opened,
        "exchanges": len(one.exchanges),
        "chain": [str(digest) for digest in one.chain],
    }
    if session is not None:
        value |= {
            "cipher": session.suite,
            "alpn": legible(session.alpn),
            "server_name": legible(session.server_name),
            "signed_by": session.scheme,
            "finished": session.finished == (True, True),
            "retried": session.retried,
        }
        for name, octets in (("ocsp", session.ocsp), ("timestamps", session.timestamps)):
            if octets:
                value[name] = {"octets": len(octets), "digest": str(sha256(octets))}
    if one.resumed_of is not None:
        value["resumed_of"] = one.resumed_of
    if one.faults:
        value["why"] = one.faults[0][1].code
    return value


def _finding(one: Finding) -> dict[str, object]:
    return {
        "step": one.step,
        "rule": one.rule,
        "outcome": one.outcome.value,
        "code": one.code,
        "subject": legible(one.subject),
        "expected": legible(one.expected),
        "found": legible(one.found),
    }


def _exchange(one: Exchange) -> dict[str, object]:
    value: dict[str, object] = {
        "connection": one.connection,
        "stream": one.stream,
        "at": one.at,
        "protocol": one.protocol,
        "method": one.method,
        "url": legible(one.url),
        "status": one.status,
        "octets": len(one.body),
        "whole": one.whole,
    }
    if one.content.digest is not None:
        value["content"] = str(one.content.digest)
    if one.frames is not None:
        value["frames"] = {"sent": one.frames.sent, "received": one.frames.received}
    return value


def text_of(found: Examined, language: Language, *, with_exchanges: bool) -> str:
    """The verdict, the figure, the steps, the connections; many lines."""
    outcome = say(f"outcome.{found.report.outcome.value}", language)
    lines = [f"{_MARK[found.report.outcome]} {outcome}  {legible(found.exhibit)}", ""]
    if found.completeness is not None:
        lines += [*_figure(found.completeness, language), ""]
    for one in found.report.findings:
        lines += _step(one, language)
    lines += ["", say("transcript.connections", language)]
    for opened in found.opened:
        lines += _line(opened, language)
        if with_exchanges:
            lines += [
                f"      {each.method} {legible(each.url)}  {each.status or '—'}"
                for each in opened.exchanges
            ]
    lines += ["", say("transcript.what-it-shows", language)]
    return "\n".join(lines) + "\n"


def _figure(figure: Completeness, language: Language) -> list[str]:
    facts = {
        "requested": figure.requested,
        "recorded": figure.recorded,
        "seen": figure.seen_on_wire,
        "missing": len(figure.missing),
    }
    code = "transcript.completeness" if figure.missing else "transcript.complete"
    lines = [say(code, language, **facts)]
    if figure.unopened:
        lines.append(say("transcript.unopened", language, count=figure.unopened))
    for one in figure.missing[:_SHOWN]:
        why = say(f"transcript.missing.{one.why}", language)
        detail = f" ({legible(one.detail)})" if one.detail else ""
        lines.append(f"  · {one.method} {legible(one.url)[:200]}")
        lines.append(f"    {why}{detail}")
    if len(figure.missing) > _SHOWN:
        lines.append(f"  … {len(figure.missing) - _SHOWN}")
    return lines


def _step(one: Finding, language: Language) -> list[str]:
    title = find_words(f"transcript.step.{one.step}", language) or one.step
    where = f"  {legible(one.subject)}" if one.subject else ""
    lines = [f"{_MARK[one.outcome]} {title}{where}  [{one.rule}]"]
    if one.outcome is not Outcome.PASSED:
        meaning = find_words(f"proof.{one.code}", language) or one.code
        lines.append(f"    {meaning} [{one.code}]")
        lines.append(f"    {say('verdict.expected', language)} {legible(one.expected)}")
        lines.append(f"    {say('verdict.found', language)} {legible(one.found)}")
    elif one.found:
        lines[0] += f"  {legible(one.found)}"
    return lines


def _line(one: Opened, language: Language) -> list[str]:
    told, session = one.told, one.session
    where = f"{told.number:5} {legible(told.host)}:{told.port} → {legible(told.peer)}"
    if session is None:
        said = say("transcript.in-clear", language)
    else:
        parts = (session.version, session.suite, session.alpn or "http/1.1", session.scheme)
        said = "  ".join(legible(part) for part in parts if part)
    if one.resumed_of is not None:
        said += "  " + say("transcript.resumed", language, number=one.resumed_of)
    elif one.is_unfinished:
        said = say("transcript.unfinished", language)
    elif not one.is_opened:
        # one whose octets were altered was not looked into: nobody knows that it was in clear
        known = [said] if session or one.faults[0][0] != "wire.stream" else []
        said = "  ".join([*known, say("transcript.not-opened", language)])
    return [f"{where}  {said}  {len(one.exchanges)}"]


def boxes_under(found: Examined, x: int, y: int) -> list[dict[str, object]]:
    """The boxes under a point, the uppermost first, each with all that it leads to."""
    if found.layout is None or found.trace is None:
        raise Undecided(
            "transcript.trace-none", "layout, record, archive, transcript", "not all"
        )
    nodes = {id(one): at for at, one in enumerate(found.layout.nodes)}
    listed = cast("list[dict[str, object]]", found.trace["nodes"])
    resources = cast("list[dict[str, object]]", found.trace["resources"])
    connections = {
        one["number"]: one
        for one in cast("list[dict[str, object]]", found.trace["connections"])
    }
    told: list[dict[str, object]] = []
    for one in under(found.layout.nodes, x, y)[:_BOXES]:
        box = listed[nodes[id(one)]]
        resource = resources[cast(int, box["resource"])]
        steps = cast("list[dict[str, object]]", resource["steps"])
        used = [connections[step["connection"]] for step in steps if "connection" in step]
        told.append({**box, "resource": resource, "connections": used})
    return told


def text_of_boxes(boxes: list[dict[str, object]], language: Language) -> str:
    if not boxes:
        return say("proof.transcript.trace-none", language) + "\n"
    lines: list[str] = []
    for one in boxes:
        resource = cast("dict[str, object]", one["resource"])
        box = "×".join(map(str, cast("list[int]", one["box"])[2:]))
        lines.append(f"{one['name']}  {box}  {legible(str(resource['url']))}")
        if "frame" in one:
            lines.append(f"    {say('transcript.trace.frame', language, number=one['frame'])}")
        for step in cast("list[dict[str, object]]", resource["steps"]):
            lines += _step_lines(step, language)
        for connection in cast("list[dict[str, object]]", one["connections"]):
            lines += _connection_lines(connection, language)
        if not resource["steps"]:
            lines.append(f"    {say('transcript.trace.nothing-sent', language)}")
    return "\n".join(lines) + "\n"


def _step_lines(step: dict[str, object], language: Language) -> list[str]:
    lines = [f"    → {legible(str(step['url']))}"]
    if (archive := cast("dict[str, object] | None", step.get("archive"))) is not None:
        lines.append(f"      {say('transcript.trace.archive', language, **archive)}")
    return lines


def _connection_lines(one: dict[str, object], language: Language) -> list[str]:
    where = f"{legible(str(one['host']))}:{one['port']} → {legible(str(one['peer']))}"
    facts = {"number": one["number"], "where": where, "protocol": one["protocol"]}
    lines = [f"    {say('transcript.trace.connection', language, **facts)}"]
    answers = ", ".join(map(legible, cast("list[str]", one["answers"])))
    lines.append(f"      {say('transcript.trace.answers', language, answers=answers)}")
    lines += [f"      {digest}" for digest in cast("list[str]", one["chain"])]
    return lines


def legible(value: str) -> str:
    """Names and values come from the package: they must not steer the reader's terminal."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in value)
