"""The report: each aspect with what one side has and the other has not (canonical JSON).

`equal` is yes, no, or `unknown` when an aspect could not be compared; `why` then has a code.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from guzheng.compare import frames
from guzheng.compare.captures import Side
from guzheng.compare.frames import Frame, Pair
from guzheng.compare.pictures import Pictured, compare_pictures

SCHEMA = "guzheng.comparison/2"
LINES = 3_000  # of text that are compared one by one; difflib is not linear
SHOWN = 400  # lines of a difference, and resources, that the report lists
LINE_LENGTH = 500
PER_MILLION = 1_000_000


def compare(one: Side, other: Side) -> dict[str, object]:
    """What differs from `one` to `other`."""
    aspects = [
        _plain("answers", _answers(one), _answers(other)),
        _plain("certificates", _chains(one), _chains(other)),
        _plain("status", _field(one, "observed_status"), _field(other, "observed_status")),
        _plain("final-url", _field(one, "final_url"), _field(other, "final_url")),
        _plain("redirects", _redirects(one), _redirects(other)),
        _plain("title", _field(one, "observed_title"), _field(other, "observed_title")),
        _text(one.text, other.text),
        _frames(one.frames, other.frames),
        _resources(one.resources, other.resources),
        _picture(one.picture, other.picture),
    ]
    return {
        "schema": SCHEMA,
        "sides": [_named(one), _named(other)],
        "aspects": aspects,
        "differing": [str(each["aspect"]) for each in aspects if each["equal"] == "no"],
        "unknown": [str(each["aspect"]) for each in aspects if each["equal"] == "unknown"],
    }


def _named(side: Side) -> dict[str, object]:
    fields = side.record.fields
    return {
        "exhibit": side.exhibit,
        "manifest": str(side.manifest_digest),
        "vantage": side.vantage,
        "requested_url": fields["requested_url"],
        "observed_started_at": fields["observed_started_at"],
        "observed_finished_at": fields["observed_finished_at"],
    }


def _field(side: Side, name: str) -> list[str]:
    value = side.record.fields.get(name)
    return [] if value is None else [str(value)]


def _listed(side: Side, name: str) -> Iterable[Mapping[str, object]]:
    value = side.record.fields.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _answers(side: Side) -> list[str]:
    """Each host of the page with the addresses that were answered, in no order."""
    found = set()
    for one in _listed(side, "connections"):
        answers = one.get("answers")
        if isinstance(answers, list) and answers and one.get("kind") == "page":
            found.add(f"{one.get('host')} → {', '.join(sorted(map(str, answers)))}")
    return sorted(found)


def _chains(side: Side) -> list[str]:
    return sorted(
        f"{one.get('host')}: {' ← '.join(map(str, _sequence(one.get('chain'))))}"
        for one in _listed(side, "tls")
    )


def _redirects(side: Side) -> list[str]:
    return [f"{one.get('url')} → {one.get('to')}" for one in _listed(side, "redirects")]


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _plain(aspect: str, one: list[str], other: list[str]) -> dict[str, object]:
    """Two lists of texts: what only one of them has."""
    equal = one == other
    return {
        "aspect": aspect,
        "equal": "yes" if equal else "no",
        "one": [] if equal else [_cut(text) for text in one if text not in other][:SHOWN],
        "other": [] if equal else [_cut(text) for text in other if text not in one][:SHOWN],
        "both": [_cut(text) for text in one if text in other][:SHOWN],
    }


def _unknown(aspect: str, why: str) -> dict[str, object]:
    return {"aspect": aspect, "equal": "unknown", "why": why}


def _text(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> dict[str, object]:
    if one is None or other is None:
        return _unknown("text", "compare.text-missing")
    if one == other:
        return {"aspect": "text", "equal": "yes", "lines": len(one)}
    return {"aspect": "text", "equal": "no", **_difference(one, other, LINES, SHOWN)}


def _difference(
    one: tuple[str, ...], other: tuple[str, ...], lines: int, shown: int
) -> dict[str, object]:
    """Line by line, unless more than `lines` differ; at most `shown` of them are listed."""
    before, after = _without_ends(one, other)
    if max(len(before), len(after)) > lines:
        here, there = set(one), set(other)
        gone = [text for text in before if text not in there]
        come = [text for text in after if text not in here]
        listed = [f"-{_cut(text)}" for text in gone] + [f"+{_cut(text)}" for text in come]
        return _counted(listed, len(gone), len(come), shown)
    listed = []
    removed = added = 0
    found = difflib.unified_diff(before, after, lineterm="", n=1)
    for line in islice(found, 2, None):  # without the two lines that name files
        removed += line.startswith("-")
        added += line.startswith("+")
        listed.append(_cut(line))
    return _counted(listed, removed, added, shown)


def _counted(listed: list[str], removed: int, added: int, shown: int) -> dict[str, object]:
    return {
        "removed": removed,
        "added": added,
        "difference": listed[:shown],
        "left_out": max(0, len(listed) - shown),
    }


def _frames(
    one: tuple[Frame, ...] | None, other: tuple[Frame, ...] | None
) -> dict[str, object]:
    """Each frame by its address: the text that differs, and who stands on one side alone."""
    if one is None or other is None:
        return _unknown("frames", "compare.frames-missing")
    paired = frames.pair(one, other)
    unread = [each for each in paired.pairs if each.one.text is None or each.other.text is None]
    differs = [each for each in paired.pairs if each not in unread and not each.is_equal]
    same = len(paired.pairs) - len(unread) - len(differs)
    alone = bool(paired.one or paired.other)
    equal = "no" if differs or alone else "unknown" if unread else "yes"
    value: dict[str, object] = {"aspect": "frames", "equal": equal, "same": same}
    if equal == "yes":
        return value
    if equal == "unknown":
        value["why"] = "compare.frame-text-missing"
    budget = len(differs) or 1  # all frames together cost what one text may
    return value | {
        "differs": [
            _named_pair(each)
            | _difference(
                each.one.text or (), each.other.text or (), LINES // budget, SHOWN // budget
            )
            for each in differs
        ],
        "unread": [
            _named_pair(each) | {"why": _cut(each.one.why or each.other.why)} for each in unread
        ],
        "one": [_cut(each.url) for each in paired.one],
        "other": [_cut(each.url) for each in paired.other],
    }


def _named_pair(pair: Pair) -> dict[str, object]:
    """The address, and that of the other side where it is not the same."""
    value: dict[str, object] = {"url": _cut(pair.one.url)}
    return value if pair.one.url == pair.other.url else value | {"other": _cut(pair.other.url)}


def _without_ends(
    one: Sequence[str], other: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Without the lines that both begin and end with: usually nearly all of them."""
    start, most = 0, min(len(one), len(other))
    while start < most and one[start] == other[start]:
        start += 1
    end = 0
    while end < most - start and one[-1 - end] == other[-1 - end]:
        end += 1
    start = max(0, start - 1)  # a line of context
    return one[start : len(one) - end], other[start : len(other) - end]


def _resources(
    one: Mapping[str, str] | None, other: Mapping[str, str] | None
) -> dict[str, object]:
    if one is None or other is None:
        return _unknown("resources", "compare.resources-missing")
    differs = sorted(url for url in one.keys() & other.keys() if one[url] != other[url])
    only_one, only_other = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
    equal = not (differs or only_one or only_other)
    return {
        "aspect": "resources",
        "equal": "yes" if equal else "no",
        "same": len(one.keys() & other.keys()) - len(differs),
        "counts": {
            "differs": len(differs),
            "one": len(only_one),
            "other": len(only_other),
        },
        "differs": [
            {"url": _cut(url), "one": one[url].strip(), "other": other[url].strip()}
            for url in differs[:SHOWN]
        ],
        "one": [_cut(url) for url in only_one[:SHOWN]],
        "other": [_cut(url) for url in only_other[:SHOWN]],
    }


def _picture(
    one: tuple[str, bytes] | None, other: tuple[str, bytes] | None
) -> dict[str, object]:
    if one is None or other is None or one[0] != other[0]:
        return _unknown("picture", "compare.picture-missing")
    found = compare_pictures(one[1], other[1])
    if not isinstance(found, Pictured):
        return _unknown("picture", found)
    share = found.differing * PER_MILLION // found.compared if found.compared else 0
    same = not found.differing and found.sizes[0] == found.sizes[1]
    return {
        "aspect": "picture",
        "equal": "yes" if same else "no",
        "item": one[0],
        "compared_pixels": found.compared,
        "differing_pixels": found.differing,
        "per_million": share,
        "sizes": [list(size) for size in found.sizes],
    }


def _cut(text: str) -> str:
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"
