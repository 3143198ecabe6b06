"""Station fix: which papers, in which order, and which answers are never kept."""

import os
from collections.abc import Callable

import pytest

from guzheng.fix import SEAL, TimestampAuthority, der, fix, papers_wanted, stamp
from guzheng.proof import timestamp
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.manifest import Extent, Item, Manifest
from guzheng.refusals import Unavailable
from tests.stations.timestamps import FILE, NOON, Answer, Issuer, issuer


def item(name: str, role: str, octets: bytes) -> Item:
    return Item(name, role, "text/plain", len(octets), (sha256(octets), sm3(octets)))


MANIFEST = Manifest(
    exhibit="ex_01KAG0000000000000000000AB",
    kind="web",
    claimed_name="一个网页",
    observed_at=NOON,
    items=(
        item("page.wacz", "original", b"wacz"),
        item("照片.png", "original", b"png"),
        item("preview.jpg", "derivative", b"jpg"),
    ),
    salt=bytes(range(32)),
    capture=Extent.of(b"{}"),
).encode()

BY = issuer()


class Lying:
    """An authority that changes what an honest one answers."""

    name = "lying.example"

    def __init__(
        self,
        answer: Callable[[bytes], bytes] = lambda octets: octets,
        *,
        hears: Callable[[bytes], bytes] = lambda octets: octets,
        by: Issuer = BY,
    ) -> None:
        self._answer, self._hears, self._authority = answer, hears, by.authority()

    def respond(self, request_der: bytes) -> bytes:
        return self._answer(self._authority.respond(self._hears(request_der)))


class Fixed:
    """An authority with one answer to everything."""

    name = "fixed.example"

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def respond(self, _: bytes) -> bytes:
        return self._answer


def test_every_original_gets_its_token_and_the_seal_comes_last() -> None:
    assert papers_wanted(MANIFEST) == {
        "tokens/page.wacz.tsa": sha256(b"wacz"),
        "tokens/照片.png.tsa": sha256(b"png"),
        "seal.tsa": sha256(MANIFEST),
    }
    assert list(papers_wanted(MANIFEST))[-1] == SEAL
    made = dict(fix(MANIFEST, BY.authority(), roots=(BY.root,), entropy=os.urandom))
    assert list(made) == list(papers_wanted(MANIFEST))
    nonces = set()
    for paper, octets in made.items():
        token = timestamp.parse(octets)
        timestamp.require_imprint(token, papers_wanted(MANIFEST)[paper].value)
        nonces.add(token.nonce)
    assert len(nonces) == 3


def test_what_is_kept_is_not_asked_for_again() -> None:
    kept = {"tokens/page.wacz.tsa", "tokens/照片.png.tsa"}
    made = fix(MANIFEST, BY.authority(), roots=(BY.root,), entropy=os.urandom, kept=kept)
    assert [paper for paper, _ in made] == [SEAL]


def test_each_paper_is_given_before_the_next_is_asked_for() -> None:
    """So that a crash costs one token and not all of them."""
    asked: list[bytes] = []

    def heard(request_der: bytes) -> bytes:
        asked.append(request_der)
        return request_der

    papers = fix(MANIFEST, Lying(hears=heard), roots=(BY.root,), entropy=os.urandom)
    for number in (1, 2, 3):
        next(papers)
        assert len(asked) == number


def over(octets: bytes, nonce: int = 1, *, cert_req: bool = True) -> Callable[[bytes], bytes]:
    asked = timestamp.encode_request(sha256(octets), nonce, cert_req=cert_req)
    return lambda _: asked


def bare_token(response_der: bytes) -> bytes:
    return bytes(Answer.load(response_der)["time_stamp_token"].dump())


def flipped(response_der: bytes) -> bytes:
    return response_der[:-1] + bytes([response_der[-1] ^ 1])


NEVER_KEPT: dict[str, tuple[TimestampAuthority, str]] = {
    "over another file": (Lying(hears=over(b"other")), "timestamp.imprint-differs"),
    "an answer replayed": (Lying(hears=over(FILE, 2)), "timestamp.nonce-differs"),
    "no certificate": (Lying(hears=over(FILE, cert_req=False)), "cms.no-certificate"),
    "a flipped bit": (Lying(flipped), "cms.signature-invalid"),
    "another root": (Lying(by=issuer()), "chain.unknown-root"),
    "nothing": (Lying(lambda _: b""), "der.malformed"),
    "a web page": (Lying(lambda _: b"<html>"), "der.malformed"),
    "a trailing octet": (Lying(lambda octets: octets + b"\n"), "der.malformed"),
    "a bare token": (Lying(bare_token), "a bare TimeStampToken"),
}


@pytest.mark.parametrize("case", NEVER_KEPT)
def test_an_unsound_answer_is_the_authority_s_fault(case: str) -> None:
    authority, reason = NEVER_KEPT[case]
    with pytest.raises(Unavailable) as problem:
        stamp(authority, sha256(FILE), nonce=1, roots=(BY.root,))
    assert problem.value.code == "fix.answer-unsound"
    assert reason in problem.value.found
    assert problem.value.expected
    assert problem.value.act


def test_an_authority_that_says_no_is_told_in_its_own_words() -> None:
    with pytest.raises(Unavailable) as problem:
        stamp(Lying(hears=lambda _: b""), sha256(FILE), nonce=1, roots=(BY.root,))
    assert problem.value.code == "fix.authority-declined"
    said = "an element is cut short"
    assert problem.value.found == f"bad_data_format: {said} (timestamp.not-granted)"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("020102", "no reason"),
        ("020102 0300", "no reason"),
        ("020102 0c0161", "no reason"),
        ("020102 0303000001", "unaccepted_policy"),
        ("020102 03020780", "bad_alg"),
        ("020102 30030c0161", "a"),
        ("020102 30040c02c328", "no reason"),
    ],
)
def test_a_no_that_is_not_as_the_standard_has_it_is_still_a_no(
    status: str, reason: str
) -> None:
    response_der = der.sequence(der.sequence(bytes.fromhex(status)))
    with pytest.raises(Unavailable) as problem:
        stamp(Fixed(response_der), sha256(FILE), nonce=1, roots=(BY.root,))
    assert problem.value.code == "fix.authority-declined"
    assert problem.value.found == f"{reason} (timestamp.not-granted)"


def test_a_sound_answer_is_kept_as_it_came() -> None:
    heard: list[bytes] = []

    def answer(octets: bytes) -> bytes:
        heard.append(octets)
        return octets

    assert stamp(Lying(answer), sha256(FILE), nonce=1, roots=(BY.root,)) == heard[0]


def test_every_flipped_octet_of_an_answer_is_noticed() -> None:
    """Or is one of the few that RFC 5652 does not sign, and changes nothing that is said."""
    good = stamp(BY.authority(), sha256(FILE), nonce=1, roots=(BY.root,))
    said = timestamp.parse(good)
    for at in range(len(good)):
        octets = bytearray(good)
        octets[at] ^= 0x01
        try:
            stamp(Fixed(bytes(octets)), sha256(FILE), nonce=1, roots=(BY.root,))
        except Unavailable:
            continue
        again = timestamp.parse(bytes(octets))
        assert again.token_der == said.token_der
        assert again.signed.signature == said.signed.signature


def test_an_authority_without_sm2_gives_nothing_over_sm3() -> None:
    digest: Digest = sm3(FILE)
    with pytest.raises(Unavailable) as failure:
        stamp(BY.authority(), digest, nonce=1, roots=(BY.root,))
    assert failure.value.code == "fix.authority-declined"
