"""From a manifest to the papers that date it: one `.tsa` per original, then the seal.

The authority may be ours or anybody's. Its answer is kept only after the same checks a
judge's verifier makes (guzheng.proof.timestamp): it is a TimeStampResp, granted, over our
digest, for our nonce, signed by a certificate for timestamps alone, on a path to a root that is
handed out with the evidence. An answer that fails is the authority's fault, never the
exhibit's: `Unavailable`, and the job asks again.
"""

from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from typing import Protocol

from cryptography import x509

from guzheng.fix.request import Failure
from guzheng.proof import der, timestamp
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Manifest
from guzheng.refusals import Unavailable

SEAL, SEAL_SM2 = "seal.tsa", "seal.sm2.tsa"
_NONCE_OCTETS = 8  # what openssl sends; every authority takes it
_MAX_REASON = 200


class TimestampAuthority(Protocol):
    """Whoever answers RFC 3161 requests; `Unavailable` when there is no answer to be had."""

    @property
    def name(self) -> str: ...

    def respond(self, request_der: bytes, /) -> bytes: ...


def papers_wanted(manifest_json: bytes) -> dict[str, Digest]:
    """Paper → the digest it stands over; the seal, which covers everything, comes last."""
    wanted = {
        f"tokens/{item.name}.tsa": item.sha256
        for item in Manifest.parse(manifest_json).items
        if item.role == "original"
    }
    return wanted | {SEAL: sha256(manifest_json)}


def fix(
    manifest_json: bytes,
    authority: TimestampAuthority,
    *,
    roots: tuple[x509.Certificate, ...],
    entropy: Callable[[int], bytes],
    kept: Container[str] = (),
    sm2: TimestampAuthority | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Paper and octets, one after the other, of all that are not `kept` yet.

    The manifest must be durable before the first is asked for, each paper before the next: a
    crash then costs one token, and the seal is there only when all the others are. `sm2` seals
    the manifest a second time, over its SM3.
    """
    asked = [(*one, authority) for one in papers_wanted(manifest_json).items()]
    if sm2 is not None:
        asked.insert(-1, (SEAL_SM2, sm3(manifest_json), sm2))
    for paper, digest, whom in asked:
        if paper not in kept:
            nonce = int.from_bytes(entropy(_NONCE_OCTETS), "big")
            yield paper, stamp(whom, digest, nonce=nonce, roots=roots)


def stamp(
    authority: TimestampAuthority,
    digest: Digest,
    *,
    nonce: int,
    roots: tuple[x509.Certificate, ...],
) -> bytes:
    """A TimeStampResp in DER over `digest`, as the authority sent it; or `Unavailable`."""
    response_der = authority.respond(timestamp.encode_request(digest, nonce))
    try:
        token = timestamp.parse(response_der)
        timestamp.require_imprint(token, digest.value, digest.algorithm)
        timestamp.require_nonce(token, nonce)
        signer = timestamp.require_signature(token)
        timestamp.require_trusted(token, signer, roots)
    except ProofError as error:
        if error.code == "timestamp.not-granted":  # a sound answer, and it is no
            raise Unavailable(
                "fix.authority-declined",
                expected="a timestamp",
                found=f"{_reason_in(response_der)} ({error.code})",
                act=f"ask the operator of {authority.name}",
            ) from error
        raise Unavailable(
            "fix.answer-unsound",
            expected=error.expected or "a valid timestamp",
            found=f"{error.found} ({error.code})",
            act=_ACTS.get(error.code, f"ask the operator of {authority.name}"),
        ) from error
    # `.tsa` is the whole answer, never the bare token: one form, one openssl command.
    if der.parse(response_der, der.SEQUENCE, "answer").reader("answer").tag == der.OID:
        raise Unavailable(
            "fix.answer-unsound",
            expected="a TimeStampResp",
            found="a bare TimeStampToken",
            act=f"ask the operator of {authority.name}",
        )
    return response_der


def _reason_in(response_der: bytes) -> str:
    """Why there is no token, in the authority's words: `failInfo` by name, `statusString`."""
    failures, texts = "", list[str]()
    with suppress(ProofError, UnicodeDecodeError, ValueError):
        answer = der.parse(response_der, der.SEQUENCE, "answer").reader("answer")
        status = answer.take(der.SEQUENCE).reader("status")
        status.take(der.INTEGER)
        if (said := status.optional(der.SEQUENCE)) is not None:
            texts = [one.content.decode() for one in said.reader("said").all(der.UTF8_STRING)]
        if (bits := status.optional(der.BIT_STRING)) is not None:
            failures = ", ".join(one.name.lower() for one in Failure if _is_set(bits, one))
    return ": ".join(filter(None, (failures, "; ".join(texts)[:_MAX_REASON]))) or "no reason"


def _is_set(bits: der.Element, bit: int) -> bool:
    octets = bits.content[1:]  # the first says how many bits of the last are none
    return bit // 8 < len(octets) and bool(octets[bit // 8] & 0x80 >> bit % 8)


_ACTS = {
    "chain.unknown-root": "add the authority's root certificate to the trusted roots",
}
