"""Somebody who can write anything but has no key: rearranged, exchanged, signed by himself.

The listing is made to fit each time, since anybody can do that: what must speak are the papers.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from guzheng.proof import package
from guzheng.proof.report import Outcome
from guzheng.verifier.verdict import Verdict
from tests.verifier.packed import Packed, codes, judged, listed, pack, unpacked, zipped

Change = Callable[[dict[str, bytes], str, str], None]


def swap(members: dict[str, bytes], one: str, other: str) -> None:
    members[one], members[other] = members[other], members[one]


def exchanged(packed: Packed, change: Change, room: Path, *options: object) -> Verdict:
    """As zip and as folder: the same findings."""
    members = dict(packed.members)
    ours, theirs = (f"exhibits/{one}/" for one in (packed.deposit, packed.hash_only))
    change(members, ours, theirs)
    members = listed(members)
    (room / "forged.zip").write_bytes(zipped(members))
    verdict = judged(room / "forged.zip", *options)
    folder = judged(unpacked(members, room / "forged"), *options)
    assert folder.report == verdict.report
    return verdict


PAPERS = ("manifest.json", "seal.tsa", "leaf", "entry.tlog-proof", "certificate.json")


@pytest.mark.parametrize("paper", [*PAPERS, "certificate.pdf"])
def test_papers_of_two_exhibits_exchanged(packed: Packed, paper: str, tmp_path: Path) -> None:
    verdict = exchanged(packed, lambda held, a, b: swap(held, a + paper, b + paper), tmp_path)
    assert verdict.report.outcome is Outcome.FAILED
    subjects = {one.subject for one in verdict.report.of(Outcome.FAILED)}
    assert all(
        any(name in one for one in subjects) for name in (packed.deposit, packed.hash_only)
    )


def test_all_papers_of_two_exhibits_exchanged(packed: Packed, tmp_path: Path) -> None:
    def change(held: dict[str, bytes], ours: str, theirs: str) -> None:
        for paper in (*PAPERS, "certificate.pdf"):
            swap(held, ours + paper, theirs + paper)

    verdict = exchanged(packed, change, tmp_path)
    assert "exhibit.folder-differs" in codes(verdict)


def test_an_exhibits_folder_renamed(packed: Packed, tmp_path: Path) -> None:
    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        for name in [one for one in held if one.startswith(ours)]:
            held[name.replace(ours, f"exhibits/ex_{'7' * 26}/")] = held.pop(name)

    assert "exhibit.folder-differs" in codes(exchanged(packed, change, tmp_path))


@pytest.mark.parametrize("name", ["ex_x", "EX_" + "0" * 26, "other"])
def test_an_exhibit_under_a_name_that_is_none(
    packed: Packed, name: str, tmp_path: Path
) -> None:
    """It would not be judged at all: so it must be told as too many."""

    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        for one in [one for one in held if one.startswith(ours)]:
            held[one.replace(ours, f"exhibits/{name}/")] = held.pop(one)

    assert codes(exchanged(packed, change, tmp_path)) == {"package.member-extra"}


def test_tokens_of_two_items_exchanged(packed: Packed, tmp_path: Path) -> None:
    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        swap(held, f"{ours}tokens/photograph.txt.tsa", f"{ours}tokens/合同 甲方.txt.tsa")

    verdict = exchanged(packed, change, tmp_path)
    assert verdict.report.outcome is Outcome.FAILED
    assert "timestamp.imprint-differs" in codes(verdict)


def test_two_items_exchanged(packed: Packed, tmp_path: Path) -> None:
    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        swap(held, f"{ours}items/photograph.txt", f"{ours}items/合同 甲方.txt")

    assert codes(exchanged(packed, change, tmp_path)) == {"item.altered"}


def test_the_seal_in_the_place_of_a_token(packed: Packed, tmp_path: Path) -> None:
    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        held[f"{ours}tokens/photograph.txt.tsa"] = held[f"{ours}seal.tsa"]

    assert "timestamp.imprint-differs" in codes(exchanged(packed, change, tmp_path))


def test_an_original_put_back_into_hash_only(packed: Packed, tmp_path: Path) -> None:
    def change(held: dict[str, bytes], _: str, theirs: str) -> None:
        held[f"{theirs}items/kept.bin"] = b"not what was kept"

    assert "package.member-extra" in codes(exchanged(packed, change, tmp_path))


def test_one_exhibit_left_out_is_a_package_of_the_other(packed: Packed, tmp_path: Path) -> None:
    """What a package should hold is nobody's word but its own: each exhibit stands alone."""

    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        for name in [one for one in held if one.startswith(ours)]:
            del held[name]

    verdict = exchanged(packed, change, tmp_path)
    assert verdict.report.outcome is Outcome.PASSED
    assert all(packed.deposit not in one.subject for one in verdict.report.findings)


# ---- a whole platform of his own


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack(tmp_path_factory.mktemp("stranger"))


def test_a_strangers_package_is_whole_but_not_believed(
    packed: Packed, stranger: Packed, tmp_path: Path
) -> None:
    path = tmp_path / "stranger.zip"
    path.write_bytes(stranger.octets)
    alone = judged(path)
    assert (alone.report.outcome, alone.trusted) == (Outcome.PASSED, "package")
    believed = judged(path, "--roots", packed.roots)
    assert (believed.report.outcome, believed.trusted) == (Outcome.NOT_CHECKED, "given")
    assert codes(believed) == {"chain.unknown-root"}
    both = judged(path, "--roots", packed.roots, "--policy", packed.policy)
    assert {"chain.unknown-root", "note.unknown-key"} <= codes(both)


def test_his_seal_and_roots_over_our_exhibit(
    packed: Packed, stranger: Packed, tmp_path: Path
) -> None:
    def change(held: dict[str, bytes], ours: str, _: str) -> None:
        held[package.ROOTS] = stranger.members[package.ROOTS]
        held[f"{ours}seal.tsa"] = stranger.member(stranger.deposit, "seal.tsa")

    for options in ((), ("--roots", packed.roots)):
        verdict = exchanged(packed, change, tmp_path, *options)
        assert verdict.report.outcome is Outcome.FAILED


@pytest.mark.parametrize("name", [package.ROOTS, package.LEDGER_POLICY])
def test_his_trust_in_our_package(
    packed: Packed, stranger: Packed, name: str, tmp_path: Path
) -> None:
    def change(held: dict[str, bytes], _: str, __: str) -> None:
        held[name] = stranger.members[name]

    undecided = exchanged(packed, change, tmp_path)
    assert undecided.report.outcome is Outcome.NOT_CHECKED
    own = ("--roots", packed.roots, "--policy", packed.policy)
    assert exchanged(packed, change, tmp_path, *own).report.outcome is Outcome.PASSED


def test_roots_of_both_do_not_hide_who_sealed(
    packed: Packed, stranger: Packed, tmp_path: Path
) -> None:
    def change(held: dict[str, bytes], _: str, __: str) -> None:
        held[package.ROOTS] += stranger.members[package.ROOTS]

    verdict = exchanged(packed, change, tmp_path)
    believed = exchanged(packed, change, tmp_path, "--roots", packed.roots)
    assert set(believed.roots) < set(verdict.roots)  # the report names those of both
    assert len(verdict.roots) == 2 * len(believed.roots)
