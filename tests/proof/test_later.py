"""Receipts and renewals step by step: what is missing is not checked, and never passed over."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache

import pytest

from guzheng.proof import later, package
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust
from guzheng.proof.report import Finding, Outcome
from guzheng.proof.steps import Steps
from guzheng.store.blobs import read
from tests.stations.renewals import year
from tests.stations.test_keep_renewing import World, sealed_world, thirty_years

ENDS = {"sha256": year(2057)}


@cache
def renewed() -> tuple[World, Mapping[str, bytes]]:
    """An exhibit with three renewals, the last under SHA-512."""
    world = thirty_years(sealed_world(1))
    held = world.folder(world.exhibits[0])
    return world, {name: read(world.blobs, held.place + name) for name in held.names}


def found(
    *,
    with_sha512: bool = True,
    roots: bool = True,
    at: datetime | None = None,
    without: tuple[str, ...] = (),
    ends: Mapping[str, datetime] | None = None,
) -> dict[tuple[str, str], Finding]:
    world, all_papers = renewed()
    members = {name: one for name, one in all_papers.items() if name not in without}
    observed = {
        name: Observed(
            len(one),
            Digest("sha256", sha256(one).value),
            None,
            hashlib.sha512(one).digest() if with_sha512 else None,
        )
        for name, one in members.items()
    }
    papers = {name: one for name, one in members.items() if package.is_paper(name)}
    trust = Trust(
        world.judged.roots if roots else None,
        judged_at=at,
        hash_ends=ENDS if ends is None else ends,
    )
    steps = Steps()
    later.check_renewals(steps, papers, observed, trust)
    return {(one.step, one.subject): one for one in steps.findings}


def outcomes(report: Mapping[tuple[str, str], Finding]) -> dict[str, set[Outcome]]:
    by_step: dict[str, set[Outcome]] = {}
    for (step, _), one in report.items():
        by_step.setdefault(step, set()).add(one.outcome)
    return by_step


def test_every_record_is_judged_and_told() -> None:
    report = found()
    assert len(report) == 3 + 3 + 2
    assert set().union(*outcomes(report).values()) == {Outcome.PASSED}
    told = report["renewal.in-time", "renewals/0003.ers"].found
    assert told == "2031-03-01T00:00:00.000Z – 2070-01-01T00:00:00.000Z"


def test_an_original_that_was_not_hashed_so_is_not_checked() -> None:
    report = found(with_sha512=False)
    assert report["renewal.covered", "renewals/0002.ers"].outcome is Outcome.PASSED
    last = report["renewal.covered", "renewals/0003.ers"]
    assert (last.outcome, last.code) == (Outcome.NOT_CHECKED, "step.input-missing")
    assert last.expected == "sha512 of items/a.jpg"


def test_without_roots_nobody_is_believed() -> None:
    report = outcomes(found(roots=False, at=year(2060)))
    assert report["renewal.covered"] == {Outcome.PASSED}
    assert report["renewal.in-time"] == {Outcome.NOT_CHECKED}
    assert report["seal.age"] == {Outcome.NOT_CHECKED}


@pytest.mark.parametrize(
    ("at", "without", "outcome"),
    [
        (year(2030), (), Outcome.PASSED),
        (year(2069), (), Outcome.PASSED),
        (year(2071), (), Outcome.NOT_CHECKED),
        (year(2050), ("renewals/0003.ers",), Outcome.PASSED),
        (year(2060), ("renewals/0003.ers",), Outcome.NOT_CHECKED),
        (year(2031), tuple(f"renewals/000{one}.ers" for one in (1, 2, 3)), Outcome.PASSED),
        (year(2033), tuple(f"renewals/000{one}.ers" for one in (1, 2, 3)), Outcome.NOT_CHECKED),
    ],
)
def test_a_moment_in_the_years_to_come(
    at: datetime, without: tuple[str, ...], outcome: Outcome
) -> None:
    assert found(at=at, without=without)["seal.age", "seal.tsa"].outcome is outcome


def test_a_member_that_was_taken_away() -> None:
    report = found(without=("certificate.pdf",))
    assert outcomes(report)["renewal.covered"] == {Outcome.NOT_CHECKED}  # it is missing
    report = found(without=("manifest.json",))
    assert outcomes(report)["renewal.covered"] == {Outcome.NOT_CHECKED}


def test_a_record_in_between_that_was_taken_away() -> None:
    report = found(without=("renewals/0002.ers",))
    assert outcomes(report)["renewal.continues"] == {Outcome.PASSED}, "the last one has it all"


def test_a_hash_that_ended_before_it_was_replaced() -> None:
    report = found(ends={"sha256": year(2050)})
    late = report["renewal.in-time", "renewals/0003.ers"]
    assert (late.outcome, late.code) == (Outcome.FAILED, "renewal.late")
    assert report["renewal.in-time", "renewals/0002.ers"].outcome is Outcome.PASSED
