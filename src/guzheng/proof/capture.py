"""Reading the capture record: who looked where, with what, how, and what was missed.

docs/spec/capture.md §4 is its specification. The capturer writes it (capturer/record.py) and
the manifest holds its digests; nothing in it is attested by an outside party. `observed_` is
what this platform's browser saw; a missing thing is stated, never silent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from guzheng.proof import canonical
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed, require
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import Item, require_exhibit_name

SCHEMA = "guzheng.capture/1"
MAX_ENTRIES = 100_000  # requests, connections, steps; an order usually allows 5,000 requests
LONGEST = 8192  # of one text: a URL has at most so many characters
_REMEMBERED_OCTETS = 512 * 1024  # of a record that one road reads ten times; an ordinary page's

# What the site, the network or the rules about addresses brought about: that it was tried, and
# what came of it, is evidence (docs/spec/capture.md §9). The rest is somebody's to mend.
OUTSIDE = frozenset(
    f"capture.{one}"
    for one in (
        "name-not-resolved", "connection-refused", "address-refused", "tls-refused",
        "no-answer", "answer-malformed", "no-content", "too-many-redirects", "not-loaded",
        "is-a-download", "timed-out", "too-large", "out-of-memory", "page-moved",
    )
)  # fmt: skip

# Every field of the record and of its parts; any other is refused. A field is a text, or has
# the form that stands after its colon: one of _FORMS, a part (`*`: a list of such), or one of
# the words parted by `|`. With `?` it may be absent.
_PARTS = {
    "record": """
        exhibit:exhibit outcome:captured|failed options?:texts
        requested_url final_url? observed_title?
        observed_status?:count observed_started_at:instant observed_finished_at:instant
        elapsed_milliseconds:count software private_addresses_allowed:texts trusted_spki:texts
        limits:bounds limits_hit:texts notes:texts steps:step* redirects:redirect*
        connections:connection* tls:session* requests:request* artefacts:items viewer?:viewer
        failure?:failure transcript?:transcript tls_keys?:keys completeness?:completeness
        vantage?:vantage opening?:opening
        moments:moment* scope:judgement* control?:control
        grade?:full|reduced missing:texts""",
    "bounds": """
        wall_seconds:count page_seconds:count bytes:count requests:count memory_octets:count""",
    "step": "at_milliseconds:count step detail why",
    "redirect": "url to means:http|page status?:count",
    "connection": """
        number:count host port:count kind:page|browser outcome answers:texts peer because
        sent:count received:count began_milliseconds:count ended_milliseconds?:count
        agreement:unasked|unanswered|same|overlapping|different resolvers:lookup*""",
    "vantage": "name means:direct|bind|socks address?",
    "lookup": "resolver answers:texts failure authenticated?:yes|no",
    "transcript": "index:digest connections:count octets:count",
    "completeness": """
        requested:count recorded:count seen_on_wire:count unopened:count missing_in_all:count
        missing:gap*""",
    "gap": "method url why detail?",
    "keys": "cipher octets:count clear:digest sealed:digest",
    "session": """
        host protocol cipher group subject issuer valid_from:instant valid_to:instant
        chain:digests""",
    "request": "number:count method url kind outcome why status?:count octets?:count",
    "viewer": """
        browser binary binary_size:count binary_digest:digest flags:texts user_agent sandbox
        viewport_width:count viewport_height:count language time_zone""",
    "failure": "code expected found act",
    "opening": """
        schema:guzheng.opening/1 exhibit:exhibit requested_url software observed_at:instant
        not_before?:checkpoint""",
    "checkpoint": "origin size:count root note:digest",
    "moment": """
        name:opening|transcript|closing digest:digest asked_milliseconds:count answer
        token?:digest""",
    "judgement": "code because:evidence*",
    "evidence": "evidence found",
    "control": "url expected:measures observed:measures equal:yes|no",
    "measures": "body?:digest document?:digest picture?:digest",
}
_FORMS: Mapping[str, Callable[[Fields, str], object]] = {
    "": lambda fields, name: fields.text(name, longest=LONGEST),
    "texts": lambda fields, name: fields.texts(name, most=MAX_ENTRIES),
    "count": Fields.count,
    "instant": Fields.instant,
    "digest": lambda fields, name: Digest.parse(fields.text(name, longest=80)),
    "digests": lambda fields, name: [Digest.parse(one) for one in fields.texts(name)],
    "exhibit": lambda fields, name: require_exhibit_name(fields.text(name)),
    "items": lambda fields, name: tuple(map(Item.read, fields.items(name, most=1000))),
}


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """A record whose every field has its form; `fields` are as the record spells them."""

    fields: Mapping[str, object]
    artefacts: tuple[Item, ...]

    @property
    def shortfall(self) -> tuple[str, ...]:
        """Codes: the grade, then what was missing for a full one; nothing if it was full."""
        missing = cast("list[str]", self.fields["missing"])
        return ("grade.reduced", *missing) if "grade" in self.fields and missing else ()

    @property
    def failed(self) -> bool:
        return self.fields["outcome"] == "failed"

    @classmethod
    def parse(cls, octets: bytes) -> "CaptureRecord":
        return _remembered(octets) if len(octets) <= _REMEMBERED_OCTETS else _read(octets)


def _read(octets: bytes) -> CaptureRecord:
    fields = canonical.parse_object(octets)
    Fields(fields, "capture").one_of("schema", (SCHEMA,))
    found = {name: one for name, one in fields.items() if name != "schema"}
    _require_form("record", found, "capture")
    failed, looked = found["outcome"] == "failed", "viewer" in found
    expected = "a failure when it failed, a viewer when it was captured"
    fits = failed == ("failure" in found) and (failed or looked)
    require(fits, Malformed, "capture.outcome", expected, found["outcome"])
    word = "reduced" if found["missing"] else "full"
    fits = found.get("grade") == (word if looked else None)
    require(fits, Malformed, "capture.grade", word, found.get("grade"))
    items = Fields(fields, "capture").items("artefacts", most=1000)
    return CaptureRecord(found, tuple(map(Item.read, items)))


_remembered = lru_cache(4)(_read)


def _require_form(part: str, value: object, paper: str) -> None:
    fields = Fields(value, paper)
    for word in _PARTS[part].split():
        name, _, form = word.partition(":")
        if fields.has(name.rstrip("?")) or not name.endswith("?"):
            _require_field(fields, name.rstrip("?"), form)
    fields.end()


def _require_field(fields: Fields, name: str, form: str) -> None:
    if form in _FORMS:
        _FORMS[form](fields, name)
    elif form in _PARTS:
        _require_form(form, fields.take(name), f"capture.{name}")
    elif form.endswith("*"):
        for one in fields.items(name, most=MAX_ENTRIES):
            _require_form(form.rstrip("*"), one, f"capture.{name}")
    else:
        fields.one_of(name, tuple(form.split("|")))
