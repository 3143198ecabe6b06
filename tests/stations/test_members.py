"""Members: nothing before it is granted, nobody beyond himself, never without an owner."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.accounts import SEAT, Permission, roles
from guzheng.accounts.invitations import LASTS, Invitation
from guzheng.accounts.members import Members
from guzheng.refusals import Refused
from guzheng.store.records import open_engine, reading, writing
from tests import engines
from tests.stations.firms import AT, LAWYER, OWNER, STAFF, Firm


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


@pytest.fixture
def firm(engine: Engine) -> Firm:
    return Firm(engine)


def test_whoever_joins_has_nothing_until_it_is_granted(firm: Firm) -> None:
    assert firm.members.acting(STAFF) is None
    made, secret = firm.invitations.invite(firm.by(), AT, "店铺运营")
    assert firm.invitations.require(secret, AT) == made
    firm.invitations.accept(secret, STAFF, AT)
    assert firm.by(STAFF).permissions == frozenset()
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        firm.by(STAFF).require(Permission.READ)
    firm.grant(STAFF, Permission.READ, Permission.CAPTURE)
    assert firm.by(STAFF).permissions == {Permission.READ, Permission.CAPTURE}
    firm.members.revoke(firm.by(), STAFF, {Permission.CAPTURE}, AT)
    assert firm.by(STAFF).permissions == {Permission.READ}
    told = [(one.kind, one.person, one.said) for one in firm.members.audit(firm.account, 9)]
    assert told == [
        ("revoked", STAFF, "capture"),
        ("granted", STAFF, "read capture"),
        ("joined", STAFF, ""),
        ("invited", "", made.invitation),
        ("founded", OWNER, ""),
    ]


def test_a_link_opens_once_and_not_for_ever(firm: Firm) -> None:
    made, secret = firm.invitations.invite(firm.by(), AT)
    firm.invitations.accept(secret, STAFF, AT)
    late, old = firm.invitations.invite(firm.by(), AT)
    gone, revoked = firm.invitations.invite(firm.by(), AT)
    for _ in range(2):
        firm.invitations.revoke(firm.by(), gone.invitation, AT)
    for link, at in ((secret, AT), (old, AT + LASTS), (revoked, AT)):
        with pytest.raises(Refused, match=r"accounts\.invitation-over"):
            firm.invitations.accept(link, LAWYER, at)
    with pytest.raises(Refused, match=r"accounts\.invitation-not-found"):
        firm.invitations.accept(secret + "x", LAWYER, AT)
    with pytest.raises(Refused, match=r"accounts\.invitation-over"):
        firm.invitations.revoke(firm.by(), made.invitation, AT)
    assert firm.members.acting(LAWYER) is None
    standings = {one.invitation: one.standing(AT + LASTS) for one in _invitations(firm)}
    assert standings == {
        made.invitation: "accepted",
        late.invitation: "expired",
        gone.invitation: "revoked",
    }
    _again, third = firm.invitations.invite(firm.by(), AT)
    with pytest.raises(Refused, match=r"accounts\.already-member"):
        firm.invitations.accept(third, STAFF, AT)
    firm.invitations.require(third, AT)  # who could not use it has not used it up


def _invitations(firm: Firm) -> tuple[Invitation, ...]:
    return firm.invitations.of(firm.account)


def test_nobody_grants_or_takes_beyond_himself(firm: Firm) -> None:
    for person in (STAFF, LAWYER):
        firm.invite(person)
    firm.grant(STAFF, Permission.MEMBERS, Permission.READ)
    firm.grant(LAWYER, *roles.ROLES["lawyer"])
    staff = firm.by(STAFF)
    for person, wanted in ((STAFF, {Permission.BILL}), (LAWYER, {Permission.READ})):
        with pytest.raises(Refused, match=r"accounts\.beyond-own"):
            firm.members.change(staff, person, frozenset(wanted | {Permission.BILL}), AT)
    for refused in (
        lambda: firm.members.change(staff, LAWYER, frozenset(), AT),
        lambda: firm.members.remove(staff, OWNER, AT),
    ):
        with pytest.raises(Refused, match=r"accounts\.beyond-own"):
            refused()
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        firm.members.change(firm.by(LAWYER), STAFF, frozenset(), AT)
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        firm.invitations.invite(firm.by(LAWYER), AT)


def test_what_was_revoked_meanwhile_counts(firm: Firm) -> None:
    firm.invite(STAFF)
    firm.grant(STAFF, Permission.MEMBERS)
    asked = firm.by(STAFF)  # a request that is on its way
    firm.members.revoke(firm.by(), STAFF, {Permission.MEMBERS}, AT)
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        firm.invitations.invite(asked, AT)
    shown = firm.members.require(firm.account, STAFF)
    firm.grant(STAFF, Permission.READ)
    with pytest.raises(Refused, match=r"accounts\.changed-meanwhile"):
        firm.members.change(firm.by(), STAFF, frozenset(), AT, seen=shown.last)


def test_an_account_keeps_an_owner(firm: Firm) -> None:
    firm.invite(STAFF)
    for refused in (
        lambda: firm.members.remove(firm.by(), OWNER, AT),
        lambda: firm.members.revoke(firm.by(), OWNER, {Permission.BILL}, AT),
    ):
        with pytest.raises(Refused, match=r"accounts\.last-owner"):
            refused()
    firm.grant(STAFF, *roles.EVERYTHING)
    firm.members.remove(firm.by(STAFF), OWNER, AT)
    assert firm.members.acting(OWNER) is None
    assert [one.person for one in firm.members.people(firm.account)] == [STAFF]


def test_whoever_comes_back_has_nothing_again(firm: Firm) -> None:
    firm.invite(STAFF)
    firm.grant(STAFF, Permission.READ)
    first = firm.members.require(firm.account, STAFF)
    firm.members.remove(firm.by(STAFF), STAFF, AT)  # he leaves by himself
    assert firm.members.acting(STAFF, firm.account) is None
    firm.invite(STAFF)
    again = firm.members.require(firm.account, STAFF)
    assert (again.permissions, again.since > first.since) == (frozenset(), True)


def test_one_person_acts_for_several_accounts(firm: Firm) -> None:
    own = firm.members.found(STAFF, AT + timedelta(days=1))
    firm.invite(STAFF)
    assert [one.account for one in firm.members.accounts_of(STAFF)] == [own, firm.account]
    found = firm.members.acting(STAFF)
    assert found is not None
    assert found.account == own
    firm.members.choose(STAFF, firm.account)
    found = firm.members.acting(STAFF)
    assert found is not None
    assert found.account == firm.account
    firm.members.remove(firm.by(), STAFF, AT)
    found = firm.members.acting(STAFF)
    assert found is not None
    assert found.account == own
    with pytest.raises(Refused, match=r"accounts\.member-not-found"):
        firm.members.choose(STAFF, firm.account)


def test_the_first_operator_has_the_account_of_the_shell(firm: Firm) -> None:
    for _ in range(2):
        assert firm.members.found(LAWYER, AT, "local") == "local"
    with pytest.raises(Refused, match=r"accounts\.founded-already"):
        firm.members.found(STAFF, AT, "local")
    found = firm.members.acting(LAWYER)
    assert found is not None
    assert (found.account, found.operator) == ("local", True)
    assert not firm.by().operator, "an owner of another account operates nothing"
    _made, secret = firm.invitations.invite(SEAT, AT)
    firm.invitations.accept(secret, STAFF, AT)
    firm.members.grant(SEAT, STAFF, roles.EVERYTHING - {Permission.BILL}, AT)
    other = firm.members.acting(STAFF)
    assert other is not None
    assert not other.operator
    assert firm.members.audit("local", 1)[0].way == "seat"


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do these in threads that begin together; the code of each, empty where it was done."""
    gate = threading.Barrier(len(acts))

    def done(act: Callable[[], object]) -> str:
        gate.wait(30)
        try:
            act()
        except Refused as refused:
            return refused.code
        return ""

    with ThreadPoolExecutor(len(acts)) as threads:
        return sorted(threads.map(done, acts))


def test_two_owners_who_remove_each_other_leave_one(firm: Firm) -> None:
    firm.invite(STAFF)
    firm.grant(STAFF, *roles.EVERYTHING)
    owner, staff = firm.by(OWNER), firm.by(STAFF)
    codes = at_once(
        lambda: firm.members.remove(owner, STAFF, AT),
        lambda: firm.members.remove(staff, OWNER, AT),
    )
    assert codes[0] == ""
    assert codes[1] in {"accounts.not-permitted", "accounts.last-owner"}
    assert len(firm.members.people(firm.account)) == 1


def test_of_many_who_open_one_link_one_comes_in(firm: Firm) -> None:
    _made, secret = firm.invitations.invite(firm.by(), AT)
    persons = [f"pe_{one:026}" for one in range(10, 16)]
    codes = at_once(
        *(lambda one=one: firm.invitations.accept(secret, one, AT) for one in persons)
    )
    assert codes == ["", *["accounts.invitation-over"] * 5]
    assert len(firm.members.people(firm.account)) == 2


def test_what_happened_is_never_changed(engine: Engine, firm: Firm) -> None:
    for statement in (
        "UPDATE account_event SET kind = 'granted'",
        "DELETE FROM account_event",
        "UPDATE account SET founder = 'pe_x'",
        "DELETE FROM account_invitation",
    ):
        if "invitation" in statement:
            firm.invitations.invite(firm.by(), AT)
        with (
            pytest.raises(DatabaseError, match="rows are only added"),
            writing(engine) as connection,
        ):
            connection.execute(text(statement))
    Members(engine, os.urandom)  # opened again, it is made once
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM account")).scalar_one() == 1


@settings(max_examples=15, deadline=None)  # each makes a file
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 2),
            st.sets(st.sampled_from(sorted(Permission))) | st.none(),
        ),
        max_size=20,
    )
)
def test_whatever_is_done_an_owner_remains_and_nobody_rises(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, int, set[Permission] | None]],
) -> None:
    folder = tmp_path_factory.mktemp("members")
    firm = Firm(open_engine(folder / "accounts.sqlite"))
    persons = (OWNER, STAFF, LAWYER)
    for person in persons[1:]:
        firm.invite(person)
    for actor, subject, wanted in steps:
        by = firm.members.acting(persons[actor], firm.account)
        if by is None:
            continue
        try:
            if wanted is None:
                firm.members.remove(by, persons[subject], AT)
            else:
                made = firm.members.change(by, persons[subject], frozenset(wanted), AT)
                assert made.permissions == wanted <= by.permissions
        except Refused:
            continue
        left = firm.members.people(firm.account)
        assert any(one.is_owner for one in left)
    numbers = [one.number for one in firm.members.audit(firm.account, 99)]
    assert numbers == list(range(len(numbers), 0, -1))


def test_the_audit_is_looked_through_by_pages(firm: Firm) -> None:
    firm.invite(STAFF)
    firm.grant(STAFF, Permission.READ)
    first = firm.members.audit(firm.account, 2)
    rest = firm.members.audit(firm.account, 9, before=first[-1].number)
    assert [one.kind for one in itertools.chain(first, rest)] == [
        "granted",
        "joined",
        "invited",
        "founded",
    ]
    assert [one.kind for one in firm.members.audit(firm.account, 9, kind="granted")] == [
        "granted"
    ]
    assert len(firm.members.audit(firm.account, 9, person=STAFF)) == 2
