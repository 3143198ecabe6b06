"""Makes tests/vectors/timestamp: RFC 3161 answers, good and bad, and what each must lead to.

    python -m tools.vectors_timestamp           writes the files
    python -m tools.vectors_timestamp --check   fails if a file is not what is described here

Good answers come from the authority of guzheng.fix; bad ones are built piece by piece (see
timestamp_pieces.py), since no authority would make them. Each case is here because somebody's
verifier once got it wrong, or could.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from guzheng.fix import der
from guzheng.fix.request import Failure, Rejection
from guzheng.fix.tokens import rejected
from tools.timestamp_pieces import (
    BEGIN,
    CONTENT_TYPE,
    DATA,
    END,
    FILE,
    MESSAGE_DIGEST,
    NONCE,
    NOON,
    OTHER,
    OTHER_TSA,
    ROOT,
    RSA_PSS,
    SHA1,
    SHA256,
    SHA384,
    SHA512,
    TIME_STAMPING,
    TSA,
    UNKNOWN_ROOT,
    Said,
    algorithm,
    answered,
    attribute,
    attributes,
    by_our_authority,
    certified,
    ess,
    ess_v1,
    granted,
    imprint,
    issuing,
    p256,
    signed_with,
    signer,
    token,
    tsa_rsa,
)

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "timestamp"


# ------------------------------------------------------------------------------------ the cases


@dataclass(frozen=True)
class Case:
    """`code` None: valid, and `attested_at` is proved."""

    name: str
    about: str
    octets: bytes
    code: str | None = None
    openssl_disagrees: bool = False  # about whether it is good
    nonce: int | None = NONCE
    extra: str | None = None
    attested_at: datetime = NOON


def good_cases() -> Iterator[Case]:
    yield Case("good-p256", "as LocalAuthority answers", by_our_authority(TSA))
    yield Case("good-rsa3072", "as LocalAuthority answers", by_our_authority(tsa_rsa()))
    for oid, name in ((SHA384, "sha384"), (SHA512, "sha512")):
        said = Said(imprint=imprint(oid=oid, name=name))
        yield Case(f"good-{name}", f"imprint by {name}", answered(said))
    yield Case("good-built", "built by the piece, nothing changed", answered())
    yield Case("accuracy-absent", "accuracy is optional", answered(Said(accuracy=b"")))
    yield Case(
        "nonce-absent",
        "neither asked for nor given",
        answered(Said(nonce=b"")),
        nonce=None,
    )
    yield Case("ordering-true", "ordering TRUE", answered(Said(ordering=der.BOOLEAN_TRUE)))
    tsa = der.explicit(0, der.explicit(4, TSA.certificate.subject.public_bytes()))
    yield Case("tsa-named", "tsa says the signer's name", answered(Said(tsa=tsa)))
    yield Case(
        "granted-with-mods",
        "status 1 is a grant: RFC 3161 §2.4.2",
        granted(
            token(Said().der, [signer(TSA, attributes(Said().der, ess(TSA.der)))], [TSA.der]), 1
        ),
    )
    bare = token(Said().der, [signer(TSA, attributes(Said().der, ess(TSA.der)))], [TSA.der])
    yield Case(
        "bare-token",
        "a TimeStampToken without the answer round it",
        bare,
        openssl_disagrees=True,
    )
    yield Case(
        "certificate-apart",
        "no certificate inside; the verifier is given it",
        answered(certificates=[]),
        extra="tsa.pem",
    )
    yield Case(
        "ess-v1",
        "signed attribute of RFC 2634, SHA-1",
        answered(named=ess_v1(TSA.der)),
    )
    yield Case(
        "ess-two-ids",
        "the signer's certificate first, then its root's: RFC 5035 §5",
        answered(named=ess(TSA.der, ROOT.der), certificates=[TSA.der, ROOT.der]),
    )
    for name, at in (("first", BEGIN), ("last", END)):
        yield Case(
            f"at-the-{name}-moment",
            "both ends of a validity belong to it: RFC 5280 §4.1.2.5",
            answered(Said(time=der.generalized_time(at))),
            attested_at=at,
        )
    statement = der.sequence(der.object_identifier("0.4.0.19422.1.1"))
    yield Case(
        "extension-qualified",
        "a qualified authority's statement, not critical: ETSI EN 319 422 §9",
        answered(Said(extensions=extension(der.octet_string(der.sequence(statement))))),
    )
    yield from chain_cases()


def chain_cases() -> Iterator[Case]:
    middle = certified("intermediate", p256("middle"), ROOT, issuing(0))
    below = certified("TSA below", p256("below"), middle, TIME_STAMPING)
    held = [below.der, middle.der]
    yield Case(
        "intermediate",
        "root, intermediate, TSA",
        answered(by=below, certificates=held),
    )
    yield Case(
        "intermediate-missing",
        "the intermediate is not at hand",
        answered(by=below),
        "chain.unknown-root",
    )
    deeper = certified("intermediate below", p256("deeper"), middle, issuing())
    deepest = certified("TSA deepest", p256("deepest"), deeper, TIME_STAMPING)
    yield Case(
        "path-too-long",
        "one intermediate more than pathLenConstraint allows",
        answered(by=deepest, certificates=[deepest.der, deeper.der, middle.der]),
        "chain.not-an-issuer",
    )
    issued = certified("issued by a TSA", p256("issued"), TSA, TIME_STAMPING)
    yield Case(
        "issuer-not-an-issuer",
        "issued by a certificate that may not issue",
        answered(by=issued, certificates=[issued.der, TSA.der]),
        "chain.not-an-issuer",
    )
    unknown = certified("TSA unknown", p256("unknown tsa"), UNKNOWN_ROOT, TIME_STAMPING)
    yield Case(
        "unknown-root",
        "valid under a root nobody trusts",
        answered(by=unknown),
        "chain.unknown-root",
    )
    yield Case(
        "unknown-root-enclosed",
        "the same, and it brings its root along",
        answered(by=unknown, certificates=[unknown.der, UNKNOWN_ROOT.der]),
        "chain.unknown-root",
    )
    namesake = certified("root", p256("namesake"), None, issuing())
    forged = certified("TSA forged", p256("forged"), namesake, TIME_STAMPING)
    yield Case(
        "root-namesake",
        "issued by another root of the same name",
        answered(by=forged),
        "chain.unknown-root",
    )
    late = certified(
        "TSA expired", p256("late"), ROOT, TIME_STAMPING, end=NOON - timedelta(days=1)
    )
    yield Case(
        "expired-at-gentime",
        "its certificate ended a day before",
        answered(by=late),
        "chain.expired-at-gentime",
    )
    early = certified(
        "TSA early", p256("early"), ROOT, TIME_STAMPING, begin=NOON + timedelta(days=1)
    )
    yield Case(
        "not-yet-valid",
        "its certificate begins a day after",
        answered(by=early),
        "chain.not-yet-valid",
    )
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), der.NULL)
    strange = certified("TSA strange", p256("strange"), ROOT, TIME_STAMPING, (odd, True))
    yield Case(
        "critical-extension-unknown",
        "its certificate has a critical extension nobody knows",
        answered(by=strange),
        "chain.extension-unknown",
    )


def purpose_cases() -> Iterator[Case]:
    stamping, client = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CLIENT_AUTH
    any_purpose = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
    for name, about, purposes, critical in (
        ("not-sole", "timeStamping and clientAuth", [stamping, client], True),
        ("not-critical", "timeStamping, not critical", [stamping], False),
        ("client-auth", "clientAuth alone", [client], True),
        ("any", "anyExtendedKeyUsage", [any_purpose], True),
        ("absent", "no extended key usage", [], False),
    ):
        extensions = [(x509.ExtendedKeyUsage(purposes), critical)] if purposes else []
        by = certified(f"TSA purpose {name}", p256(f"purpose {name}"), ROOT, *extensions)
        yield Case(f"purpose-{name}", about, answered(by=by), "chain.purpose-wrong")


def binding_cases() -> Iterator[Case]:
    """Signature and attributes: what ties token, certificate and content together."""
    said = Said().der
    right = attributes(said, ess(TSA.der))
    one, two = signer(TSA, right), signer(OTHER_TSA, attributes(said, ess(OTHER_TSA.der)))
    yield Case(
        "two-signers",
        "two SignerInfos, both valid",
        granted(token(said, [one, two], [TSA.der, OTHER_TSA.der])),
        "cms.one-signer",
    )
    yield Case(
        "no-signer",
        "no SignerInfo",
        granted(token(said, [], [TSA.der])),
        "cms.one-signer",
    )
    yield Case(
        "signature-flipped",
        "the last bit of the signature",
        granted(token(said, [signer(TSA, right, spoil=True)], [TSA.der])),
        "cms.signature-invalid",
    )
    yield Case(
        "signature-rsa-pss",
        "another signature algorithm than the key's",
        granted(token(said, [signer(TSA, right, oid=RSA_PSS)], [TSA.der])),
        "cms.signature-algorithm",
        openssl_disagrees=True,
    )
    yield Case(
        "content-changed",
        "signed over another TSTInfo",
        granted(token(replace(Said(), serial=der.integer(4712)).der, [one], [TSA.der])),
        "cms.message-digest-differs",
    )
    yield Case(
        "message-digest-wrong",
        "properly signed, of other content",
        signed_with(attributes(b"other content", ess(TSA.der))),
        "cms.message-digest-differs",
    )
    wrong_type = attribute(CONTENT_TYPE, der.object_identifier(DATA))
    yield Case(
        "content-type-wrong",
        "the attribute says id-data",
        signed_with([wrong_type, *right[1:]]),
        "cms.content-type-differs",
        openssl_disagrees=True,
    )
    yield Case(
        "attribute-duplicated",
        "messageDigest twice: RFC 5652 §11.2",
        signed_with([*right, right[1]]),
        "cms.attribute-duplicated",
        openssl_disagrees=True,
    )
    yield Case(
        "attribute-two-values",
        "messageDigest with two values",
        signed_with(
            [
                right[0],
                attribute(
                    MESSAGE_DIGEST,
                    der.octet_string(bytes(32)),
                    der.octet_string(hashlib.sha256(said).digest()),
                ),
                right[2],
            ]
        ),
        "der.malformed",
    )
    yield Case(
        "message-digest-missing",
        "no messageDigest",
        signed_with([right[0], right[2]]),
        "cms.attribute-missing",
    )
    yield Case(
        "ess-missing",
        "names no certificate",
        signed_with(right[:2]),
        "cms.certificate-unnamed",
    )
    yield Case(
        "ess-mismatch",
        "names a certificate that is not there",
        answered(named=ess(OTHER_TSA.der)),
        "cms.certificate-differs",
    )
    yield Case(
        "ess-names-another",
        "names another certificate that is there, and did not sign",
        answered(named=ess(OTHER_TSA.der), certificates=[TSA.der, OTHER_TSA.der]),
        "cms.signer-differs",
    )
    same_key = certified("mail", TSA.key, ROOT)
    yield Case(
        "certificate-swapped",
        "another certificate of the same key in place of the one that is named",
        answered(certificates=[same_key.der]),
        "cms.certificate-differs",
    )
    yield Case(
        "certificate-missing",
        "no certificate inside, none at hand",
        answered(certificates=[]),
        "cms.no-certificate",
    )


def extension(*parts: bytes) -> bytes:
    """TSTInfo.extensions with one extension: qcStatements by name."""
    name = der.object_identifier("1.3.6.1.5.5.7.1.3")
    return der.explicit(1, der.sequence(name, *parts))


def content_cases() -> Iterator[Case]:
    yield Case(
        "other-file",
        "over another file",
        by_our_authority(TSA, OTHER),
        "timestamp.imprint-differs",
    )
    yield Case(
        "nonce-wrong",
        "an answer to another question",
        answered(Said(nonce=der.integer(NONCE + 1))),
        "timestamp.nonce-differs",
        openssl_disagrees=True,
    )
    yield Case(
        "nonce-dropped",
        "asked for, not given: RFC 3161 §2.4.2",
        answered(Said(nonce=b"")),
        "timestamp.nonce-differs",
        openssl_disagrees=True,
    )
    yield Case(
        "sha1-imprint",
        "imprint by SHA-1",
        answered(Said(imprint=imprint(oid=SHA1, name="sha1"))),
        "cms.digest-not-accepted",
        openssl_disagrees=True,
    )
    yield Case(
        "imprint-short",
        "SHA-256 with 31 octets",
        answered(
            Said(
                imprint=der.sequence(
                    algorithm(SHA256), der.octet_string(hashlib.sha256(FILE).digest()[:31])
                )
            )
        ),
        "timestamp.imprint-size",
    )
    yield Case(
        "version-2",
        "TSTInfo version 2",
        answered(Said(version=der.integer(2))),
        "timestamp.version",
    )
    yield Case(
        "extension-critical",
        "a critical extension nobody knows",
        answered(Said(extensions=extension(der.BOOLEAN_TRUE, der.octet_string(b"")))),
        "timestamp.extension-unknown",
        openssl_disagrees=True,
    )
    content = Said().der
    data = token(
        content,
        [
            signer(
                TSA,
                [
                    attribute(CONTENT_TYPE, der.object_identifier(DATA)),
                    *attributes(content, ess(TSA.der))[1:],
                ],
            )
        ],
        [TSA.der],
        DATA,
    )
    yield Case(
        "content-not-tstinfo",
        "signed data of type id-data",
        granted(data),
        "timestamp.not-a-token",
    )
    refusal = Rejection(Failure.BAD_ALG, "not that algorithm")
    yield Case("rejected", "status 2, no token", rejected(refusal), "timestamp.not-granted")
    whole = answered()
    body = whole[whole.index(der.sequence(der.integer(0))) + 5 :]
    yield Case(
        "rejected-with-token",
        "status 2, and a valid token",
        granted(body, 2),
        "timestamp.not-granted",
    )


def encoding_cases() -> Iterator[Case]:
    """More than one spelling, or none: X.690."""
    whole = answered()
    content = whole[4:]
    for name, about, octets, lax in (
        ("empty", "no octets", b"", False),
        ("trailing-octet", "one octet after the end", whole + b"\x00", True),
        ("trailing-newline", "a line feed after the end", whole + b"\n", True),
        ("cut-short", "the last octet is missing", whole[:-1], False),
        (
            "length-not-minimal",
            "a length in one octet more than it needs",
            b"\x30\x83\x00" + whole[2:4] + content,
            True,
        ),
        (
            "length-indefinite",
            "BER's indefinite length",
            b"\x30\x80" + content + b"\x00\x00",
            True,
        ),
        ("pem", "PEM in place of DER", b"-----BEGIN TIMESTAMP-----\n", False),
    ):
        yield Case(name, about, octets, "der.malformed", openssl_disagrees=lax)
    for name, about, said, lax in (
        ("ordering-false", "a default written out", Said(ordering=b"\x01\x01\x00"), True),
        ("boolean-01", "TRUE as 01", Said(ordering=b"\x01\x01\x01"), True),
        (
            "serial-not-minimal",
            "an INTEGER with a needless octet",
            Said(serial=b"\x02\x03\x00\x12\x67"),
            False,
        ),
        (
            "time-trailing-zero",
            "genTime ends in .120Z",
            Said(time=b"\x18\x1320261121120000.120Z"),
            True,
        ),
        (
            "time-without-seconds",
            "genTime without seconds",
            Said(time=b"\x18\x0d202611211200Z"),
            True,
        ),
        (
            "time-with-offset",
            "genTime with an offset",
            Said(time=b"\x18\x1320261121200000+0800"),
            True,
        ),
        (
            "time-impossible",
            "genTime on 30 February",
            Said(time=b"\x18\x0f20260230120000Z"),
            True,
        ),
        (
            "accuracy-1000-millis",
            "1,000 thousandths",
            Said(accuracy=der.sequence(der.implicit(0, der.integer_octets(1000)))),
            True,
        ),
    ):
        yield Case(name, about, answered(said), "der.malformed", openssl_disagrees=lax)


def all_cases() -> list[Case]:
    return [
        *good_cases(),
        *purpose_cases(),
        *binding_cases(),
        *content_cases(),
        *encoding_cases(),
    ]


# ------------------------------------------------------------------------------------ the files


def files() -> dict[str, bytes]:
    cases = all_cases()
    assert len({case.name for case in cases}) == len(cases), "two cases of one name"  # noqa: S101
    listed = [
        {
            "name": case.name,
            "about": case.about,
            "answer": f"{case.name}.tsa",
            "file": "photograph.txt",
            "nonce": None if case.nonce is None else str(case.nonce),
            "extra_certificates": case.extra,
            "outcome": "failed" if case.code else "passed",
            "code": case.code,
            "attested_at": None
            if case.code
            else f"{case.attested_at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
            "openssl_accepts": (case.code is None) != case.openssl_disagrees,
        }
        for case in cases
    ]
    index = {"roots": "roots.pem", "openssl_attime": int(NOON.timestamp()), "cases": listed}
    return {
        **{f"{case.name}.tsa": case.octets for case in cases},
        "photograph.txt": FILE,
        "roots.pem": ROOT.pem,
        "tsa.pem": TSA.pem,
        "cases.json": (json.dumps(index, ensure_ascii=False, indent=1) + "\n").encode(),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing, compare")
    wanted = files()
    if not arguments.parse_args().check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, octets in wanted.items():
            (FOLDER / name).write_bytes(octets)
    kept = {one.name: one.read_bytes() for one in FOLDER.iterdir() if one.name != "README.md"}
    wrong = sorted(name for name in {*wanted, *kept} if wanted.get(name) != kept.get(name))
    for name in wrong:
        print(f"{name}: not what tools/vectors_timestamp.py describes", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
