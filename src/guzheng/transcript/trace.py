"""From a point of the screenshot to the wire: box, resource, archive, connection, certificate.

docs/spec/trace.md is the specification. A derivative: everything in it stands in the layouts
of the page and its frames, page.wacz, the transcript and the record, and whoever has these
makes it again, octet by octet. It says from where a box shows what it shows; which script put
it there, nobody recorded.
"""

from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import urljoin

from guzheng.proof import canonical
from guzheng.transcript.comparing import Completeness, Match, key_of
from guzheng.transcript.exchanges import values_of
from guzheng.transcript.index import Resolved
from guzheng.transcript.layout import Layout, Node
from guzheng.transcript.wire import CLEAR, Opened

SCHEMA = "guzheng.trace/1"
_HOPS = 20  # as many redirects as a browser follows
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Value = dict[str, object]


def trace_of(
    exhibit: str, layout: Layout, figure: Completeness, opened: Sequence[Opened]
) -> Value:
    """The whole trace. Boxes of one resource share its entry."""
    by_key = defaultdict[tuple[str, str], list[Match]](list)
    for match in figure.matches:
        if match.asked is not None:
            by_key[key_of(match.asked.method, match.asked.url)].append(match)
    places: dict[str, int] = {}
    for node in layout.nodes:
        places.setdefault(_name_of(node.url), len(places))
    resources = [_resource(url, by_key) for url in places]
    used = {
        step["connection"]
        for one in resources
        for step in _steps_in(one)
        if "connection" in step
    }
    return {
        "schema": SCHEMA,
        "exhibit": exhibit,
        "page": {"url": layout.url, "width": layout.width, "height": layout.height},
        "nodes": [_node(one, places) for one in layout.nodes],
        "resources": resources,
        "connections": [_connection(one) for one in opened if one.told.number in used],
    }


def encode(value: Value) -> bytes:
    return canonical.encode(value)


def _steps_in(resource: Value) -> list[Value]:
    steps = resource["steps"]
    return [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []


def _name_of(url: str) -> str:
    """What a box is said to show; of a resource that is its own name, the kind alone."""
    scheme, colon, rest = url.partition(":")
    if scheme.lower() == "data":
        return f"{scheme}{colon}{rest.partition(',')[0][:100]},…"
    return url.partition("#")[0]


def _node(one: Node, places: dict[str, int]) -> Value:
    left, top, right, bottom = one.box
    within: Value = {"frame": one.frame} if one.frame else {}
    return {
        **within,
        "node": one.node,
        "name": one.name,
        "box": [left, top, right - left, bottom - top],
        "order": one.order,
        "resource": places[_name_of(one.url)],
    }


def _resource(url: str, by_key: dict[tuple[str, str], list[Match]]) -> Value:
    """Every hop from the address to the octets; none if nothing went over the wire for it."""
    steps: list[Value] = []
    at, seen = url, set[str]()
    while len(steps) < _HOPS and at not in seen:
        seen.add(at)
        match = _best(by_key.get(key_of("GET", at)) or by_key.get(key_of("POST", at)) or [])
        if match is None:
            break
        steps.append(_step(at, match))
        led = _led_to(match)
        if not led:
            break
        at = urljoin(at, led)
    return {"url": url, "steps": steps}


def _best(matches: Sequence[Match]) -> Match | None:
    """Of several visits to one address, the first that brought something (no 304)."""
    ranked = sorted(
        matches,
        key=lambda one: (
            one.pair is None,
            one.seen is None,
            one.pair is not None and one.pair.response.status == 304,
        ),
    )
    return ranked[0] if ranked else None


def _led_to(match: Match) -> str:
    if match.seen is None or match.seen.status not in _REDIRECTS:
        return ""
    return next(iter(values_of(match.seen.response_headers, "location")), "")


def _step(url: str, match: Match) -> Value:
    value: Value = {"url": url}
    if match.asked is not None:
        value |= {"request": match.asked.number, "outcome": match.asked.outcome}
    if match.pair is not None:
        answer = match.pair.response
        value["archive"] = {
            "file": answer.file,
            "offset": answer.offset,
            "length": answer.length,
            "status": answer.status,
            "digest": str(answer.digest),
        }
    if match.seen is not None:
        value |= {"connection": match.seen.connection, "stream": match.seen.stream}
    return value


def _connection(one: Opened) -> Value:
    told, session = one.told, one.session
    value: Value = {
        "number": told.number,
        "host": told.host,
        "port": told.port,
        "peer": told.peer,
        "answers": list(told.answers),
        "resolvers": [_resolver(each) for each in told.resolvers],
        "protocol": session.version if session else CLEAR,
        "cipher": session.suite if session else "",
        "signed_by": session.scheme if session else "",
        "chain": [str(digest) for digest in one.chain],
    }
    return value | ({} if one.resumed_of is None else {"resumed_of": one.resumed_of})


def _resolver(one: Resolved) -> Value:
    value: Value = {"resolver": one.resolver, "answers": list(one.answers)}
    return value if one.authenticated is None else value | {"authenticated": one.authenticated}
