"""Whom a verifier believes: C2SP tlog-policy, and roots in PEM."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guzheng.proof import note, policy
from guzheng.proof.errors import BadSignature, Malformed, ProofError, Undecided
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.policy import Group, LedgerPolicy, Witness
from tests.proof.keys import key_of, signed
from tests.strategies import altered

FOLDER = Path(__file__).parents[1] / "vectors" / "package"
ROOTS, LEDGER = (FOLDER / one for one in ("roots.pem", "ledger.policy"))
LOG = key_of("log.example/1", 1)
KEYS = [key_of(f"w{one}.example", one, note.COSIGNATURE) for one in range(2, 8)]
WITNESSES = tuple(Witness(f"X{at}", one.key) for at, one in enumerate(KEYS))
TEXT = Checkpoint("log.example/1", 7, bytes(32)).encode()
SECONDS = 1_700_000_000
COURTS_AND_NOTARIES = f"""\
# two courts, of which any; three notaries, of which two

log {LOG.key} https://log.example/
\twitness X0 {KEYS[0].key} https://court-1.example/witness
witness\tX1  {KEYS[1].key}
witness X2 {KEYS[2].key}
witness X3 {KEYS[3].key}
  # indented
witness X4 {KEYS[4].key}
group courts any X0 X1
group notaries 2 X2 X3 X4
group both all courts notaries
quorum both
""".encode()


def told(*lines: str) -> bytes:
    return "".join(f"{one}\n" for one in lines).encode()


L, W0, W1 = f"log {LOG.key}", f"witness X0 {KEYS[0].key}", f"witness X1 {KEYS[1].key}"


@st.composite
def policies(draw: st.DrawFn) -> LedgerPolicy:
    """Groups over witnesses and over groups before them, each named once."""
    witnesses = WITNESSES[: draw(st.integers(0, len(WITNESSES)))]
    free = [one.name for one in witnesses]
    groups: list[Group] = []
    while draw(st.booleans()) and free:
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        threshold = draw(st.integers(1, len(members)))
        groups.append(Group(f"g{len(groups)}", threshold, tuple(members)))
        free = [one for one in free if one not in members] + [groups[-1].name]
    named = [one.name for one in witnesses] + [one.name for one in groups]
    quorum = draw(st.sampled_from(["none", *named]))
    urls = ((str(LOG.key), "https://log.example"),) if draw(st.booleans()) else ()
    return LedgerPolicy((str(LOG.key),), quorum, witnesses, tuple(groups), urls)


@given(policies())
def test_parse_undoes_encode(written: LedgerPolicy) -> None:
    assert policy.parse_ledger_policy(policy.encode_ledger_policy(written)) == written


def is_met(one: LedgerPolicy, name: str, cosigned: set[str]) -> bool:
    """The specification again, from the top down."""
    for group in one.groups:
        if group.name == name:
            members = [is_met(one, member, cosigned) for member in group.members]
            return sum(members) >= group.threshold
    return name in cosigned or name == "none"


@settings(max_examples=60)
@given(policies(), st.sets(st.integers(0, 5)))
def test_the_quorum_is_met_as_its_tree_says(one: LedgerPolicy, who: set[int]) -> None:
    read = signed(TEXT, LOG, *(KEYS[at] for at in sorted(who)), seconds=SECONDS)
    named = {witness.name for witness in one.witnesses} & {f"X{at}" for at in who}
    if is_met(one, one.quorum, named):
        cosigned = policy.require_quorum(one, read)
        assert {each.witness.name for each in cosigned} == named
        at = datetime.fromtimestamp(SECONDS, UTC)
        assert all(each.attested_at == at for each in cosigned)
    else:
        with pytest.raises(Undecided) as refusal:
            policy.require_quorum(one, read)
        assert refusal.value.code == "policy.quorum-missing"


def test_the_policy_of_a_package_is_written_as_it_is_read() -> None:
    octets = LEDGER.read_bytes()
    assert policy.encode_ledger_policy(policy.parse_ledger_policy(octets)) == octets


@pytest.mark.parametrize(
    ("who", "enough"),
    [({0}, False), ({0, 1}, False), ({2, 3, 4}, False), ({0, 2}, False), ({1, 2, 4}, True)],
)
def test_any_court_and_two_of_three_notaries(who: set[int], enough: bool) -> None:
    read = policy.parse_ledger_policy(COURTS_AND_NOTARIES)
    assert read.groups[1] == Group("notaries", 2, ("X2", "X3", "X4"))
    assert read.witnesses[0].url == "https://court-1.example/witness"
    assert read.log_urls == ((str(LOG.key), "https://log.example/"),)
    checkpoint = signed(TEXT, LOG, *(KEYS[at] for at in who), seconds=SECONDS)
    if enough:
        assert len(policy.require_quorum(read, checkpoint)) == len(who)
    else:
        with pytest.raises(Undecided):
            policy.require_quorum(read, checkpoint)


def test_a_false_cosignature_is_not_a_missing_one() -> None:
    read = policy.parse_ledger_policy(COURTS_AND_NOTARIES)
    good = signed(TEXT, LOG, *KEYS[:5], seconds=SECONDS)
    false = KEYS[0].key.signature_of(bytes(64), SECONDS)
    with pytest.raises(BadSignature):
        policy.require_quorum(read, Note(TEXT, (*good.signatures, false)))


def test_who_does_not_say_when_does_not_count() -> None:
    silent = key_of("pq.example", 9, note.ML_DSA_44)
    one = LedgerPolicy((str(LOG.key),), "w", (Witness("w", silent.key),))
    with pytest.raises(Undecided):
        policy.require_quorum(one, signed(TEXT, LOG, silent, seconds=0))
    [cosigned] = policy.require_quorum(one, signed(TEXT, LOG, silent, seconds=SECONDS))
    assert cosigned.witness.key == silent.key


def test_a_quorum_that_names_nothing_is_met_by_nobody() -> None:
    everybody = signed(TEXT, LOG, *KEYS, seconds=SECONDS)
    with pytest.raises(Undecided):
        policy.require_quorum(LedgerPolicy((str(LOG.key),), "w", WITNESSES), everybody)
    assert policy.require_quorum(LedgerPolicy(("log",)), everybody) == ()


def test_names_are_opaque_octets() -> None:
    """The sign for kelvin is not the letter K, and octets need not be UTF-8 at all."""
    names = (b"K", "\u212a".encode(), b"\xff\xfe", "法院　甲".encode())
    lines = [b"log " + str(LOG.key).encode()]
    lines += [
        b"witness %s %s" % (name, str(one.key).encode())
        for name, one in zip(names, KEYS, strict=False)
    ]
    octets = b"\n".join([*lines, b"group g 1 " + b" ".join(names), b"quorum g", b""])
    read = policy.parse_ledger_policy(octets)
    assert len({one.name for one in read.witnesses}) == 4
    assert policy.encode_ledger_policy(read) == octets


def test_as_many_lines_as_the_specification_asks_for() -> None:
    logs = [f"log {key_of(f'log{one}', one).key}" for one in range(32)]
    keys = [key_of(f"w{one}", 100 + one, note.COSIGNATURE).key for one in range(32)]
    witnesses = [f"witness w{at} {key}" for at, key in enumerate(keys)]
    groups = [f"group g{at} all w{at}" for at in range(32)]
    read = policy.parse_ledger_policy(told(*logs, *witnesses, *groups, "quorum g31"))
    assert (len(read.logs), len(read.witnesses), len(read.groups)) == (32, 32, 32)
    many = [f"log {key_of('log', one).key}" for one in range(65)]
    with pytest.raises(Malformed):
        policy.parse_ledger_policy(told(*many, "quorum none"))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        told(L),
        told("quorum none"),
        told(L, "quorum none", "quorum none"),
        told(L, "quorum"),
        told("log", "quorum none"),
        told(f"{L} a b", "quorum none"),
        told(f"logs {LOG.key}", "quorum none"),
        told(L, "quorum none # why"),
        told(L, "quorum w"),  # of nobody
        told(L, "quorum X0", W0),  # before it is defined
        told(L, W0, f"witness X0 {KEYS[1].key}", "quorum none"),  # one name, two things
        told(L, W0, f"witness X1 {KEYS[0].key}", "quorum none"),  # one key, two names
        told(L, L, "quorum none"),
        told(L, f"log {key_of('other', 1).key}", "quorum none"),  # the same key renamed
        told(L, f"witness none {KEYS[0].key}", "quorum none"),
        told(L, W0, "group none any X0", "quorum none"),
        told(L, "group g any none", "quorum none"),
        told(L, W0, "group g any", "quorum none"),
        told(L, W0, "group g 0 X0", "quorum none"),
        told(L, W0, "group g 2 X0", "quorum none"),
        told(L, W0, "group g 01 X0", "quorum none"),
        told(L, W0, "group g -1 X0", "quorum none"),
        told(L, W0, "group g \u0661 X0", "quorum none"),
        told(L, W0, "group g some X0", "quorum none"),
        told(L, W0, "group g any X0 X0", "quorum none"),
        told(L, W0, "group g any X0", "group h any X0", "quorum none"),
        told(L, W0, "group X0 any X0", "quorum none"),
        told(L, W0, "group g any h", "group h any X0", "quorum none"),
        told(L, W0, "group g any g", "quorum none"),
        told(f"log {KEYS[0].key}", "quorum none"),  # a cosigner's key as a log's
        told(L, f"witness X0 {LOG.key}", "quorum none"),  # and the reverse
        told(L, "quorum none\r"),
        told(L, "quorum none\x00"),
        told(L, "quorum\u3000none"),
        told(L + "\u2028quorum none"),
        told(L, "#" * policy.MAX_OCTETS, "quorum none"),
        b"log \xff\nquorum none\n",
    ],
)
def test_what_is_no_policy_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed):
        policy.parse_ledger_policy(octets)


@given(st.binary() | altered(COURTS_AND_NOTARIES))
def test_any_octets_as_policy(octets: bytes) -> None:
    try:
        read = policy.parse_ledger_policy(octets)
    except ProofError:
        return
    assert policy.parse_ledger_policy(policy.encode_ledger_policy(read)) == read


@given(st.binary() | altered(ROOTS.read_bytes()))
@example(b"")
@example(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
@example(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
@example(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
def test_any_octets_as_roots(octets: bytes) -> None:
    try:
        roots = policy.parse_roots(octets)
    except ProofError:
        return
    assert roots
