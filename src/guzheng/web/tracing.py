"""`/exhibits/ID/trace`: from a place on the screenshot to what passed over the wire.

The picture is the button of a form, so that a click says where without a script; the list of
all resources below it is the equal way for whoever does not point. What is shown stands in
items/trace.json (docs/spec/trace.md), a derivative: the page says so, and names the command by
which anybody derives it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from guzheng.accounts import Permission
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused
from guzheng.web.gate import Rule
from guzheng.web.pages import READ, Pages
from guzheng.web.ports import ExhibitView, Platform

TRACE: Final = "items/trace.json"
LARGEST: Final = 32 << 20  # of a trace that is shown; larger ones are for the command
_CHUNK: Final = 256 * 1024
_SHOWN: Final = 8  # boxes one upon another
_LISTED: Final = 500  # resources
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEAD: Final = 24  # octets of a PNG up to its height (PNG §11.2.1)
Value = dict[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    """A box, the hops to its octets, the connections of those."""

    node: Value
    url: str
    steps: Sequence[Value]
    connections: Sequence[Value]


RULES: Final[Mapping[str, Rule]] = {
    "GET /exhibits/{exhibit}/trace": Permission.READ,
    "GET /exhibits/{exhibit}/trace/{number}.png": Permission.READ,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/exhibits/{exhibit}/trace", methods=READ)
    def trace(request: Request, exhibit: str) -> Response:
        view = platform.exhibit(exhibit)
        found = _read(platform, view)
        asked = request.query_params
        top = _whole(asked.get("top", "0"))
        x, y = _whole(asked.get("at.x", "")), _whole(asked.get("at.y", ""))
        chosen = _whole(asked.get("resource", ""))
        point = None if x is None or y is None or top is None else (x, y + top)
        nodes = cast("list[Value]", found["nodes"])
        if point is not None:
            boxes = _under(nodes, *point)
        else:
            boxes = [one for one in nodes if one["resource"] == chosen][:_SHOWN]
        facts = {
            "section": "exhibits",
            "view": view,
            "page": found["page"],
            "pictures": list(enumerate(_tops(platform, view))),
            "point": point,
            "asked": point is not None or chosen is not None,
            "places": [_place(one, found) for one in boxes],
            "resources": _resources(found),
            "more": len(cast("list[Value]", found["resources"])) > _LISTED,
        }
        return pages.render(request, "trace.html", facts)

    @router.api_route("/exhibits/{exhibit}/trace/{number}.png", methods=READ)
    def picture(exhibit: str, number: int) -> Response:
        names = _pictures(platform.exhibit(exhibit))
        if not 0 <= number < len(names):
            raise Refused("web.no-preview", expected="a picture", found=str(number))
        opened = platform.open_paper(exhibit, names[number])
        if opened.read(8) != _PNG:
            opened.close()
            raise Refused("web.no-preview", expected="PNG", found="other octets")
        opened.seek(0)
        return StreamingResponse(
            iter(lambda: opened.read(_CHUNK), b""),
            media_type="image/png",
            headers={"Cache-Control": "private, max-age=3600"},
            background=BackgroundTask(opened.close),
        )

    return router


def has_trace(view: ExhibitView) -> bool:
    """Only of a capture: a file that somebody deposited may bear any name."""
    return view.kind == "web" and any(one.name == TRACE for one in view.papers)


def _pictures(view: ExhibitView) -> list[str]:
    return sorted(
        one.name
        for one in view.papers
        if one.name.startswith("items/screenshot") and one.name.endswith(".png")
    )


def _tops(platform: Platform, view: ExhibitView) -> list[int]:
    """Where each picture begins: below all before it, whose heights their own heads state."""
    tops, top = [], 0
    for name in _pictures(view):
        tops.append(top)
        with platform.open_paper(view.exhibit, name) as opened:
            head = opened.read(_HEAD)
        top += int.from_bytes(head[20:24], "big") if head.startswith(_PNG) else 0
    return tops


def _read(platform: Platform, view: ExhibitView) -> Value:
    papers = (one for one in view.papers if one.name == TRACE)
    paper = next(papers, None) if view.kind == "web" else None
    if paper is None or paper.size > LARGEST:
        found = "none" if paper is None else f"{paper.size} octets"
        raise Refused("web.no-trace", expected=f"a trace of at most {LARGEST}", found=found)
    with platform.open_paper(view.exhibit, TRACE) as opened:
        octets = opened.read(LARGEST + 1)
    try:
        return canonical.parse_object(octets)
    except ProofError as error:
        raise Refused("web.no-trace", expected="a trace", found=error.code) from error


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None


def _under(nodes: Sequence[Value], x: int, y: int) -> list[Value]:
    """The boxes under a point, the one painted last first: docs/spec/trace.md §3."""
    found = []
    for number, one in enumerate(nodes):
        left, top, width, height = cast("list[int]", one["box"])
        if left <= x < left + width and top <= y < top + height:
            found.append((cast(int, one["order"]), number, one))
    return [one for _, _, one in sorted(found, key=lambda each: each[:2], reverse=True)][
        :_SHOWN
    ]


def _place(node: Value, found: Value) -> Place:
    resource = cast("list[Value]", found["resources"])[cast(int, node["resource"])]
    steps = cast("list[Value]", resource["steps"])
    used = {one["connection"] for one in steps if "connection" in one}
    connections = cast("list[Value]", found["connections"])
    return Place(
        node, str(resource["url"]), steps, [one for one in connections if one["number"] in used]
    )


def _resources(found: Value) -> list[tuple[int, str, int]]:
    """Number, address, and how many boxes show it."""
    counts: dict[object, int] = {}
    for one in cast("list[Value]", found["nodes"]):
        counts[one["resource"]] = counts.get(one["resource"], 0) + 1
    listed = cast("list[Value]", found["resources"])[:_LISTED]
    return [
        (number, str(one["url"]), counts.get(number, 0)) for number, one in enumerate(listed)
    ]
