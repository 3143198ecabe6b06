"""Evidence records over thirty years, judged by the kernel and by Bouncy Castle."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from guzheng.keep import ers
from guzheng.proof import renewal
from guzheng.proof.errors import ProofError
from guzheng.proof.renewal import Group, Renewed
from tests.oracles import bouncycastle
from tests.stations.renewals import (
    LATER,
    Story,
    group_of,
    issuer_of,
    signer_der,
    token,
    year,
)
from tests.stations.timestamps import Issuer

SEALED_UNTIL = year(2031, 11)  # the exhibit's own tokens
SHA256_ENDS = {"sha256": year(2057)}


@cache
def authority(first: int, last: int) -> Issuer:
    return issuer_of(first, last, "sha512" if (first, last) == D else "sha256")


B, C, D = (2030, 2045), (2043, 2058), (2055, 2070)


def roots(*named: tuple[int, int]) -> tuple[x509.Certificate, ...]:
    return tuple(authority(*one).root for one in named)


@cache
def exhibits(count: int) -> tuple[Mapping[str, bytes], ...]:
    return tuple(
        {name: f"{name} of exhibit {number}".encode() for name in "abcd"[: 2 + number % 3]}
        for number in range(count)
    )


@cache
def thirty_years(count: int = 5) -> Story:
    """2026 sealed; 2031 recorded; 2044 stamped again; 2056 hashed again with SHA-512."""
    story = Story(exhibits(count))
    story.begin(authority(*B), year(2031, 3))
    other_day = token(authority(*B), year(2031, 4), "sha256", bytes(32))
    story.restamp(authority(*C), year(2044), [other_day])
    story.rehash(authority(*D), year(2056), "sha512")
    return story


def judged(
    octets: bytes,
    members: Mapping[str, bytes],
    *,
    believed: tuple[x509.Certificate, ...] | None = None,
    own: datetime = SEALED_UNTIL,
    ends: Mapping[str, datetime] | None = None,
) -> Renewed:
    record = renewal.parse(octets)
    renewal.require_covered(record, lambda name: group_of(members, name))
    trusted = roots(B, C, D) if believed is None else believed
    return renewal.require_in_time(record, trusted, SHA256_ENDS if ends is None else ends, own)


def code_of(octets: bytes, members: Mapping[str, bytes], **more: object) -> str:
    with pytest.raises(ProofError) as refused:
        judged(octets, members, **more)  # type: ignore[arg-type]
    return refused.value.code


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_thirty_years_with_two_renewals(count: int) -> None:
    story = thirty_years(count)
    for number, members in enumerate(story.exhibits):
        proved = judged(story.record(number), members)
        assert proved == Renewed(year(2031, 3), year(2070))


def test_bouncy_castle_agrees(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    classes = bouncycastle.compiled("EvidenceRecords", tmp_path_factory)
    begun = Story(exhibits(5))
    begun.begin(authority(*B), year(2031, 3))
    restamped = Story(exhibits(4))
    restamped.begin(authority(*B), year(2031, 3))
    restamped.restamp(authority(*C), year(2044))
    good = [begun, restamped, *(thirty_years(count) for count in (1, 2, 3, 5, 8))]
    folders: list[Path] = []
    wanted: list[bool] = []
    for story in good:
        for number, members in enumerate(story.exhibits):
            changed = {**members, "a": b"altered"}
            for held, sound in ((members, True), (changed, False)):
                folder = tmp_path / str(len(folders))
                (folder / "members").mkdir(parents=True)
                for name, octets in held.items():
                    (folder / "members" / name).write_bytes(octets)
                (folder / "record.ers").write_bytes(story.record(number))
                (folder / "signer.der").write_bytes(signer_der(story.tokens[-1]))
                folders.append(folder)
                wanted.append(sound)
    answers = bouncycastle.ask(classes, "EvidenceRecords", *folders)
    assert [one == "sound" for one in answers] == wanted, answers


# ---- what is refused ---------------------------------------------------------------------


def test_a_record_of_another_exhibit() -> None:
    story = thirty_years()
    assert code_of(story.record(0), story.exhibits[1]) == "renewal.group-differs"


def test_a_document_that_was_swapped_taken_away_or_added() -> None:
    story = thirty_years()
    members = dict(story.exhibits[2])
    assert code_of(story.record(2), {**members, "a": b"forged"}) == "renewal.group-differs"
    assert code_of(story.record(2), {**members, "z": b"slipped in"}) == "renewal.group-differs"
    del members["a"]
    assert code_of(story.record(2), members) == "renewal.group-differs"


def test_what_came_later_need_not_be_covered() -> None:
    story, members = thirty_years(), exhibits(5)[0]

    def with_a_receipt(name: str) -> Group:
        covered = group_of(members, name)
        return Group(covered.required, covered.held | group_of({"z": b"a receipt"}, name).held)

    renewal.require_covered(renewal.parse(story.record(0)), with_a_receipt)


def test_the_siblings_of_another_tree() -> None:
    """A record put together from two trees: right members, right stamp, wrong way up."""
    one, other = Story(exhibits(5)), Story(exhibits(8))
    one.begin(authority(*B), year(2031, 3))
    other.begin(authority(*B), year(2031, 3))
    group = [ers.hash_of("sha256", octets) for octets in one.exhibits[0].values()]
    nodes = [
        ers.group_hash("sha256", [ers.hash_of("sha256", one) for one in members.values()])
        for members in other.exhibits
    ]
    _, paths = ers.tree_over("sha256", nodes)
    lists = ers.lists_of_group(group, paths[nodes[0]])
    stamp = ers.archive_timestamp("sha256", lists, one.tokens[0])
    forged = ers.evidence_record([("sha256", [stamp])])
    assert code_of(forged, one.exhibits[0]) == "timestamp.imprint-differs"


@pytest.mark.parametrize("which", ["own tokens", "stamp", "hash"])
def test_a_renewal_that_came_too_late(which: str) -> None:
    story = Story(exhibits(2))
    story.begin(authority(*B), year(2031, 12) if which == "own tokens" else year(2031, 3))
    story.restamp(authority(*C), year(2046) if which == "stamp" else year(2044))
    story.rehash(authority(*D), year(2057, 2) if which == "hash" else year(2056), "sha512")
    assert code_of(story.record(), story.exhibits[0]) == "renewal.late"
    relaxed = SEALED_UNTIL + 100 * LATER if which == "own tokens" else SEALED_UNTIL
    if which != "stamp":
        judged(story.record(), story.exhibits[0], own=relaxed, ends={})


def test_a_new_hash_under_a_signature_of_the_old_one() -> None:
    """Whoever breaks SHA-256 writes such a token himself: it is good for as long as SHA-256."""
    story, old = Story(exhibits(2)), issuer_of(2055, 2070)
    story.begin(authority(*B), year(2031, 3))
    story.restamp(authority(*C), year(2044))
    story.rehash(old, year(2056), "sha512")
    believed = (*roots(B, C, D), old.root)
    assert judged(story.record(), story.exhibits[0], believed=believed).until == year(2057)
    story.restamp(authority(*D), year(2058))
    code = code_of(story.record(), story.exhibits[0], believed=believed)
    assert code == "renewal.late"


def test_a_stamp_of_a_stranger() -> None:
    story = Story(exhibits(2))
    story.begin(authority(*B), year(2031, 3))
    story.restamp(authority(*C), year(2044))
    code = code_of(story.record(), story.exhibits[0], believed=roots(B))
    assert code == "chain.unknown-root"


def test_stamps_out_of_order() -> None:
    story = Story(exhibits(2))
    story.begin(authority(*B), year(2031, 3))
    story.restamp(authority(*B), year(2031, 2))
    assert code_of(story.record(), story.exhibits[0]) == "renewal.order"


def test_a_stamp_over_something_else() -> None:
    story, other = Story(exhibits(2)), Story(exhibits(3))
    for one in (story, other):
        one.begin(authority(*B), year(2031, 3))
        one.restamp(authority(*C), year(2044))
    story.chains[0][0][1][1] = other.chains[0][0][1][1]
    code = code_of(story.record(), story.exhibits[0])
    assert code == "timestamp.imprint-differs"  # the only stamp of its day: no lists
    for one in (story, other):
        one.begin(authority(*B), year(2031, 3))
        one.restamp(
            authority(*C),
            year(2044),
            [token(authority(*B), LATER + year(2031), "sha256", bytes(32))],
        )
    story.chains[0][0][1][1] = other.chains[0][0][1][1]
    assert code_of(story.record(), story.exhibits[0]) == "renewal.not-continued"


def test_a_chain_that_leaves_out_an_older_one() -> None:
    """Hashed again over the documents alone: what was stamped before proves nothing now."""
    story = Story(exhibits(2))
    story.begin(authority(*B), year(2031, 3))
    first = story.chains[0][0]
    alone = Story(exhibits(2))
    alone.begin(authority(*C), year(2044), "sha512")
    forged = ers.evidence_record([first, alone.chains[0][0]])
    assert code_of(forged, story.exhibits[0]) == "renewal.group-differs"


def test_the_newer_record_begins_as_the_older() -> None:
    story = Story(exhibits(2))
    story.begin(authority(*B), year(2031, 3))
    older = renewal.parse(story.record())
    story.restamp(authority(*C), year(2044))
    newer = renewal.parse(story.record())
    story.rehash(authority(*D), year(2056), "sha512")
    newest = renewal.parse(story.record())
    renewal.require_continues(newer, older)
    renewal.require_continues(newest, newer)
    for one, other in ((older, older), (older, newer)):
        with pytest.raises(ProofError, match=r"renewal\.not-continued"):
            renewal.require_continues(one, other)


def test_every_byte() -> None:
    """Whatever octet is changed, the record is refused."""
    story = Story(exhibits(2))
    story.begin(authority(2030, 2060), year(2031, 3))
    story.rehash(authority(*D), year(2056), "sha512")
    record, members = story.record(), story.exhibits[0]
    believed = roots((2030, 2060), D)
    judged(record, members, believed=believed)
    for at in range(len(record)):
        changed = bytearray(record)
        changed[at] ^= 0x55
        try:
            judged(bytes(changed), members, believed=believed)
        except ProofError:
            continue
        pytest.fail(f"octet {at} of {len(record)} was changed, and nothing said so")


@given(st.binary(max_size=200))
def test_any_octets_are_refused_or_read(octets: bytes) -> None:
    try:
        record = renewal.parse(octets)
    except ProofError:
        return
    assert record.stamps


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ((((b"\1" * 32),),), "a first list of two"),
        ((((b"\2" * 32), (b"\1" * 32)),), "ascending"),
        ((((b"\1" * 32), (b"\1" * 32)),), "ascending"),
        ((((b"\1" * 31), (b"\2" * 31)),), "hashes of sha256"),
        ((((b"\1" * 32), (b"\2" * 32)), ()), "lists|hashes"),
    ],
)
def test_lists_have_one_form(lists: ers.Lists, expected: str) -> None:
    made = token(authority(*B), year(2031), "sha256", bytes(32))
    record = ers.evidence_record([("sha256", [ers.archive_timestamp("sha256", lists, made)])])
    with pytest.raises(ProofError, match=expected) as refused:
        renewal.parse(record)
    assert refused.value.code == "renewal.malformed"
