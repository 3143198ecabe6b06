"""Certificate paths: judged at the time that is claimed, under the roots that are believed."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import chain
from guzheng.proof.errors import ProofError, Refuted, UnknownKey
from tests.strategies import altered

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SERIALS = itertools.count(1)


@dataclass(frozen=True)
class Party:
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def party(
    name: str,
    by: Party | None = None,
    *,
    ca: bool | None = True,
    path_length: int | None = None,
    key_cert_sign: bool | None = None,
    since: datetime = NOON - DAY,
    until: datetime = NOON + DAY,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Party:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(by.certificate.subject if by else named(name))
        .public_key(key.public_key())
        .serial_number(next(SERIALS))
        .not_valid_before(since)
        .not_valid_after(until)
    )
    if ca is not None:
        constraints = x509.BasicConstraints(ca=ca, path_length=path_length)
        builder = builder.add_extension(constraints, critical=True)
    if key_cert_sign is not None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=key_cert_sign,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical=critical)
    return Party(name, key, builder.sign((by or Party(name, key, None)).key, hashes.SHA256()))  # type: ignore[arg-type]


ROOT = party("root")
MIDDLE = party("middle", ROOT)
LEAF = party("leaf", MIDDLE, ca=False)


def path(
    leaf: Party, *others: Party, roots: Sequence[Party] = (ROOT,), at: datetime = NOON
) -> list[str]:
    found = chain.require_path(
        leaf.certificate,
        [one.certificate for one in others],
        [one.certificate for one in roots],
        at,
    )
    return [one.subject.rfc4514_string() for one in found]


def refusal(
    leaf: Party, *others: Party, roots: Sequence[Party] = (ROOT,), at: datetime = NOON
) -> str:
    with pytest.raises(ProofError) as error:
        path(leaf, *others, roots=roots, at=at)
    return error.value.code


def test_a_path_is_found_through_what_the_signer_sent() -> None:
    assert path(LEAF, MIDDLE) == ["CN=leaf", "CN=middle", "CN=root"]
    assert path(LEAF, LEAF, ROOT, MIDDLE) == ["CN=leaf", "CN=middle", "CN=root"]


def test_no_answer_is_given_to_another_question() -> None:
    """What was asked last is remembered, and each thing that it asked with counts."""
    other, leaf = party("another"), party("leaf", MIDDLE, ca=False)
    late = NOON + 2 * DAY
    for _ in range(2):
        assert path(LEAF, MIDDLE) == ["CN=leaf", "CN=middle", "CN=root"]
        assert refusal(LEAF, MIDDLE, roots=[other]) == "chain.unknown-root"
        assert path(LEAF, MIDDLE, roots=[MIDDLE, other]) == ["CN=leaf", "CN=middle"]
        assert refusal(LEAF) == "chain.unknown-root"
        assert path(leaf, MIDDLE) == ["CN=leaf", "CN=middle", "CN=root"]
        assert refusal(leaf, MIDDLE, at=late) == "chain.expired-at-gentime"
        chain.forget_paths()


def test_an_intermediate_that_is_believed_ends_the_path() -> None:
    assert path(LEAF, roots=[MIDDLE]) == ["CN=leaf", "CN=middle"]


def test_a_leaf_that_is_believed_is_a_path() -> None:
    assert path(LEAF, roots=[LEAF]) == ["CN=leaf"]


@pytest.mark.parametrize("roots", [[], [party("root")], [party("another")]])
def test_nobody_whom_we_believe_is_undecided(roots: list[Party]) -> None:
    with pytest.raises(UnknownKey) as error:
        path(LEAF, MIDDLE, roots=roots)
    assert error.value.code == "chain.unknown-root"


def test_a_root_that_the_signer_sent_is_not_believed() -> None:
    stranger = party("stranger")
    leaf = party("leaf", stranger, ca=False)
    assert refusal(leaf, stranger) == "chain.unknown-root"


def test_a_namesake_of_the_issuer_is_passed_over() -> None:
    namesake = party("middle", ROOT)
    assert path(LEAF, namesake, MIDDLE) == ["CN=leaf", "CN=middle", "CN=root"]
    assert refusal(LEAF, namesake) == "chain.unknown-root"


@pytest.mark.parametrize("late", ["leaf", "middle", "root"])
@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        (NOON - 2 * DAY, NOON - timedelta(seconds=1), "chain.expired-at-gentime"),
        (NOON + timedelta(seconds=1), NOON + DAY, "chain.not-yet-valid"),
    ],
)
def test_each_certificate_is_valid_then(
    late: str, since: datetime, until: datetime, code: str
) -> None:
    def made(name: str, by: Party | None, ca: bool) -> Party:
        if name == late:
            return party(name, by, ca=ca, since=since, until=until)
        return party(name, by, ca=ca, since=NOON - 3 * DAY, until=NOON + 3 * DAY)

    root = made("root", None, True)
    middle = made("middle", root, True)
    assert refusal(made("leaf", middle, False), middle, roots=[root]) == code


@pytest.mark.parametrize("at", [NOON - DAY, NOON + DAY])
def test_both_ends_of_validity_count(at: datetime) -> None:
    assert path(LEAF, MIDDLE, at=at)
    outside = at + timedelta(microseconds=1) if at > NOON else at - timedelta(microseconds=1)
    assert refusal(LEAF, MIDDLE, at=outside)


@pytest.mark.parametrize(
    "more",
    [{"ca": False}, {"ca": None}, {"key_cert_sign": False}],
    ids=["end-entity", "no-constraints", "no-keyCertSign"],
)
def test_who_may_not_issue_is_no_issuer(more: dict[str, bool | None]) -> None:
    middle = party("middle", ROOT, **more)  # type: ignore[arg-type]
    assert refusal(party("leaf", middle, ca=False), middle) == "chain.not-an-issuer"


def test_a_path_as_long_as_its_root_allows() -> None:
    root = party("root", path_length=0)
    assert path(party("leaf", root, ca=False), roots=[root])
    middle = party("middle", root)
    leaf = party("leaf", middle, ca=False)
    assert refusal(leaf, middle, roots=[root]) == "chain.not-an-issuer"


def test_a_path_longer_than_any_real_one_is_not_followed() -> None:
    parties = [ROOT]
    for number in range(chain.MAX_DEPTH):
        parties.append(party(f"middle {number}", parties[-1]))
    assert len(path(parties[chain.MAX_DEPTH - 1], *parties)) == chain.MAX_DEPTH
    assert refusal(parties[chain.MAX_DEPTH], *parties) == "chain.unknown-root"


def test_a_critical_extension_that_nobody_knows() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    constraint = x509.NameConstraints([x509.DNSName("example.com")], None)
    for extension in (unknown, constraint):
        middle = party("middle", ROOT, more=[(extension, True)])
        leaf = party("leaf", middle, ca=False)
        assert refusal(leaf, middle) == "chain.extension-unknown"
    middle = party("middle", ROOT, more=[(unknown, False)])
    assert path(party("leaf", middle, ca=False), middle)


def test_certificates_that_certify_each_other_end() -> None:
    """Eight namesakes with one key: every order of them is a path, and none ends at a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    first = party("same", key=key)
    ring = [party("same", first, key=key) for _ in range(8)]
    leaf = party("leaf", first, ca=False)
    started = time.process_time()
    assert refusal(leaf, *ring) == "chain.unknown-root"
    assert time.process_time() - started < 5


# ---- purpose: RFC 3161 §2.3

STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
WEB = ExtendedKeyUsageOID.SERVER_AUTH


@pytest.mark.parametrize(
    ("purposes", "critical", "is_right"),
    [
        ([STAMPING], True, True),
        ([STAMPING], False, False),
        ([STAMPING, WEB], True, False),
        ([WEB], True, False),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True, False),
        (None, True, False),
    ],
)
def test_the_purpose_stands_alone_and_is_critical(
    purposes: list[x509.ObjectIdentifier] | None, critical: bool, is_right: bool
) -> None:
    more = [(x509.ExtendedKeyUsage(purposes), critical)] if purposes else []
    certificate = party("tsa", ROOT, ca=False, more=more).certificate
    if is_right:
        chain.require_sole_critical_purpose(certificate, chain.TIME_STAMPING)
        return
    with pytest.raises(Refuted) as error:
        chain.require_sole_critical_purpose(certificate, chain.TIME_STAMPING)
    assert error.value.code == "chain.purpose-wrong"


# ---- reading


@given(st.binary() | altered(LEAF.der))
def test_any_octets_as_a_certificate(octets: bytes) -> None:
    try:
        certificate = chain.parse_certificate(octets)
        path(Party("", LEAF.key, certificate), MIDDLE)
    except ProofError:
        return
    assert octets == LEAF.der


def test_every_changed_byte_of_a_certificate_breaks_its_path() -> None:
    for at in range(len(LEAF.der)):
        for bits in (1, 0x20, 0x80, 0xFF):
            octets = bytearray(LEAF.der)
            octets[at] ^= bits
            with pytest.raises(ProofError):
                path(Party("", LEAF.key, chain.parse_certificate(bytes(octets))), MIDDLE)


def test_an_unknown_version_of_certificates_is_refused() -> None:
    version = LEAF.der.index(b"\xa0\x03\x02\x01\x02") + 4
    octets = LEAF.der[:version] + b"\x04" + LEAF.der[version + 1 :]
    with pytest.raises(ProofError) as error:
        chain.parse_certificate(octets)
    assert error.value.code == "chain.certificate-malformed"


def test_roots_in_pem_stay_in_order() -> None:
    pem = b"a comment\n" + b"".join(
        one.certificate.public_bytes(Encoding.PEM) for one in (ROOT, MIDDLE)
    )
    roots = chain.parse_pem_roots(pem)
    assert roots == (ROOT.certificate, MIDDLE.certificate)
