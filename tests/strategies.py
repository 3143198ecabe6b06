"""What hypothesis may draw: values, names, papers and packages, as large as they may be."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st

from guzheng.proof import instant
from guzheng.proof.canonical import MAX_INTEGER
from guzheng.proof.digest import ALGORITHMS, Digest
from guzheng.proof.errors import Malformed
from guzheng.proof.manifest import (
    AttestedApplicant,
    Extent,
    Item,
    Manifest,
    SeenCheckpoint,
    require_item_name,
)

# For properties that judge a whole package each time: as usual in `make test`, in `make soak`
# a twentieth of what others are given.
WHOLE = settings(max_examples=max(100, settings().max_examples // 20))

UNICODE = st.characters(exclude_categories=["Cs"])
TEXT = st.text(UNICODE)
INTEGERS = st.integers(-MAX_INTEGER, MAX_INTEGER)

JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)

DIGESTS = st.builds(Digest, st.sampled_from(ALGORITHMS), st.binary(min_size=32, max_size=32))
_FIRST = datetime(instant.FIRST_YEAR, 1, 1, tzinfo=UTC)
_END = datetime(instant.LAST_YEAR + 1, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, (_END - _FIRST) // timedelta(milliseconds=1) - 1).map(
    lambda one: _FIRST + timedelta(milliseconds=one)
)


def _is_item_name(name: str) -> bool:
    try:
        require_item_name(name)
    except Malformed:
        return False
    return True


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=60
).filter(_is_item_name)


@st.composite
def both_digests(draw: st.DrawFn) -> tuple[Digest, ...]:
    values = [draw(st.binary(min_size=32, max_size=32)) for _ in ALGORITHMS]
    found = [Digest(*pair) for pair in zip(ALGORITHMS, values, strict=True)]
    return tuple(found[: draw(st.integers(1, len(found)))])


ITEMS = st.builds(
    Item,
    name=NAMES,
    role=st.sampled_from(["original", "derivative"]),
    media_type=st.text(UNICODE, max_size=200),
    size=st.integers(0, MAX_INTEGER),
    digests=both_digests(),
)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EXHIBITS = st.text(_CROCKFORD, min_size=26, max_size=26).map("ex_".__add__)
CHECKPOINTS = st.builds(
    SeenCheckpoint,
    st.text(UNICODE, max_size=255),
    st.integers(0, MAX_INTEGER),
    st.binary(min_size=32, max_size=32),
)
EXTENTS = st.builds(Extent, st.integers(0, MAX_INTEGER), both_digests())
_CLAIM = st.text(UNICODE, max_size=1000)


APPLICANTS = st.builds(
    AttestedApplicant,
    _CLAIM,
    st.sampled_from(["person", "enterprise"]),
    st.sampled_from(["review", "provider"]),
    INSTANTS,
    st.none() | _CLAIM,
    st.none() | st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=18, max_size=18),
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    kind = draw(st.sampled_from(["deposit", "hash-only", "web"]))
    return Manifest(
        exhibit=draw(EXHIBITS),
        kind=kind,
        claimed_name=draw(_CLAIM),
        observed_at=draw(INSTANTS),
        items=tuple(
            draw(
                st.lists(
                    ITEMS,
                    min_size=1,
                    max_size=4,
                    unique_by=lambda one: one.name.casefold(),
                )
            )
        ),
        salt=draw(st.binary(min_size=32, max_size=32)),
        claimed_applicant=draw(st.none() | _CLAIM),
        claimed_purpose=draw(st.none() | _CLAIM),
        attested_applicant=draw(st.none() | APPLICANTS),
        capture=draw(EXTENTS) if kind == "web" else None,
        seen_checkpoint=draw(st.none() | CHECKPOINTS),
    )


LISTINGS = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join),
    st.binary(min_size=32, max_size=32).map(lambda value: Digest("sha256", value)),
    max_size=8,
)


_LENGTHS = (b"\x00", b"\x80", b"\x81\x80", b"\x84\xff\xff\xff\xff", b"\xff")


@st.composite
def altered(draw: st.DrawFn, octets: bytes) -> bytes:
    """Near to something good: octets changed, taken out, put in, doubled or cut off."""
    found = bytearray(octets)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(found)))
        match draw(st.sampled_from(["change", "remove", "insert", "double", "cut", "length"])):
            case "change" if at < len(found):
                found[at] ^= draw(st.integers(1, 255))
            case "remove":
                del found[at : at + draw(st.integers(1, 8))]
            case "insert":
                found[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "double":
                found[at:at] = found[at : at + draw(st.integers(1, 64))]
            case "cut":
                del found[at:]
            case _:  # what a length, a count or a tag is most often mistaken for
                found[at : at + 1] = draw(st.sampled_from(_LENGTHS))
    return bytes(found)
