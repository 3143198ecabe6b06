"""A timestamp authority of our own: RFC 3161 requests in, answers out, as octets.

It lets the platform stand alone from its first start; how far its word goes is said in
docs/spec/seal.md. `respond` gives a TimeStampResp for any octets at all and raises nothing on
their account: who asks wrongly gets a rejection with the failure RFC 3161 §2.4.2 names.

It grants no token outside the validity of its own certificate, and none for which its clock,
its key or its journal is `Unavailable`: what is about to be signed goes into the journal first,
and the token leaves when that line is on the disk (docs/spec/journal.md). Serials are unique by
chance (128 random bits), so that any number of authorities may use one key.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.fix import der, request, tokens
from guzheng.fix.clock import Clock, Reading
from guzheng.fix.journal import OWN, Group, Journal, Unrecorded
from guzheng.fix.request import Failure, Rejection
from guzheng.fix.signing import SigningKey
from guzheng.fix.sm2 import SM3_DER
from guzheng.proof import sm2_x509, timestamp
from guzheng.refusals import Refused, Unavailable

# Under 2.25 everybody may name things by a UUID of theirs (ITU-T X.667). The policy's text is
# in docs/spec/seal.md; it promises less than any public authority's, and says so: nobody has
# compared its clock with another. Under the second one, sources of time were asked and agree.
LOCAL_POLICY_OID = timestamp.CLOCK_NOT_VERIFIED
MEASURED_POLICY_OID = "2.25.80420843206472939301963061422340605242"


_SERIALS_AT_ONCE = 64
_LONGEST_BOUND = timedelta(days=1)
_NO_BOUND = timedelta()


class Answer(NamedTuple):
    """A TimeStampResp. One that grants may leave only when its `group` is committed. `code`:
    what the operator must act on, where it does not grant for a reason of ours."""

    response_der: bytes
    group: Group | None
    failure: Failure | None
    code: str = ""


# What the clock says, the policy this puts a token under, how what such a token says begins,
# and how time and bound are written.
_Told = tuple[Reading, bytes, bytes, bytes]


def _answer(signed: bytes | Unavailable, group: Group) -> Answer:
    if isinstance(signed, Unavailable):
        return rejected(Rejection(Failure.SYSTEM_FAILURE, signed.code, signed.code))
    return Answer(signed, group, None)


class LocalAuthority:
    """Answers under one key and one certificate; how its clock stands decides the policy.

    Threads may share it."""

    __slots__ = (
        "_clock",
        "_in_a_turn",
        "_journal",
        "_measured_policy_der",
        "_moment",
        "_not_before",
        "_policy_der",
        "_policy_oids",
        "_serial_der",
        "_stamps_sm3",
        "_template",
        "name",
        "not_after",
        "signer",
    )

    def __init__(
        self,
        key: SigningKey,
        certificate_der: bytes,
        chain_ders: Sequence[bytes] = (),
        *,
        clock: Clock,
        serial: Callable[[], bytes],
        journal: Journal | None = None,
        policy_oid: str = LOCAL_POLICY_OID,
        measured_policy_oid: str = MEASURED_POLICY_OID,
    ) -> None:
        """`chain_ders`: intermediates. The root is the verifier's to know, not ours to send.

        Without a `journal` nothing is recorded: for whoever's tokens nobody relies on.
        `measured_policy_oid` is for readings that are verified, `policy_oid` for the others."""
        certificate = x509.load_der_x509_certificate(certificate_der)
        require_suited(certificate, key)
        self.name = name_of(certificate)
        self._template = tokens.TokenTemplate(key, certificate, chain_ders)
        self._stamps_sm3 = key.ess_algorithm_der == SM3_DER
        self._in_a_turn = key.in_a_turn
        self._policy_oids = policy_oid, measured_policy_oid
        self._policy_der = der.object_identifier(policy_oid)
        self._measured_policy_der = der.object_identifier(measured_policy_oid)
        self._not_before = certificate.not_valid_before_utc
        self.not_after = certificate.not_valid_after_utc
        self._clock = clock
        self._serial_der = serial
        self._journal = journal or Unrecorded()
        self._moment: _Told | None = None
        self.signer = sha256(certificate_der).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"LocalAuthority({self.name!r}, policy_oids={self._policy_oids!r})"

    def respond(self, request_der: bytes, client: str = OWN) -> bytes:
        """TimeStampReq → TimeStampResp, both DER; what it grants is in the journal."""
        answer = self.issue(request_der, client)
        try:
            self.commit(answer)
        except Unavailable as error:
            return tokens.rejected(Rejection(Failure.SYSTEM_FAILURE, error.code))
        return answer.response_der

    def issue(self, request_der: bytes, client: str) -> Answer:
        """The answer, which must not leave before `commit`; many may be committed at once."""
        return self.issue_all(((request_der, client),))[0]

    def issue_all(self, asked: Sequence[tuple[bytes, str]]) -> list[Answer]:
        """The answers to many questions, each with its client, a turn at a time."""
        size = self._in_a_turn
        if len(asked) <= size:
            return self._issue_turn(asked)
        turns = (asked[at : at + size] for at in range(0, len(asked), size))
        return [answer for turn in turns for answer in self._issue_turn(turn)]

    def _issue_turn(self, asked: Sequence[tuple[bytes, str]]) -> list[Answer]:
        """First all is drafted that will be signed, then its lines go into the journal, then
        all of it is signed: a signature needs the processor's cache for itself, and so each of
        them costs a fifth less."""
        lines, wanted, refused = self._drafted(asked)
        if not wanted:
            return list(refused.values())
        try:
            group = self._journal.append(lines, signer=self.signer)
        except Unavailable as error:
            failed = rejected(Rejection(Failure.SYSTEM_FAILURE, error.code, error.code))
            return [refused.get(at, failed) for at in range(len(asked))]
        signed = self._template.granted(wanted)
        if not refused:
            return [
                Answer(one, group, None) if type(one) is bytes else _answer(one, group)
                for one in signed
            ]
        rest = iter(signed)
        return [
            refused[at] if at in refused else _answer(next(rest), group)
            for at in range(len(asked))
        ]

    def commit(self, answer: Answer) -> None:
        """Return when its line is durable; `Unavailable` if not: throw the answer away."""
        if answer.group is not None:
            self._journal.commit(answer.group)

    def _drafted(
        self, asked: Sequence[tuple[bytes, str]]
    ) -> tuple[list[tuple[bytes, str]], list[tuple[bytes, bool]], dict[int, Answer]]:
        """Each TSTInfo that will be signed, with its client and with its wish; and by place
        those questions that are answered without.

        The clock is read once for all: each of them was here before it was read, so what is
        stamped existed at that time."""
        lines: list[tuple[bytes, str]] = []
        wanted: list[tuple[bytes, bool]] = []
        refused: dict[int, Answer] = {}
        told: _Told | None = None
        serial_der = self._serial_der
        for at, (request_der, client) in enumerate(asked):
            try:
                one = request.parse(request_der)
                self._require_stamped(one)
                told = told or self._told()
                if one.policy_der:
                    _require_policy(one.policy_der, told)
            except Rejection as rejection:
                refused[at] = rejected(rejection)
                continue
            tst_info_der = tokens.tst_info(one, told[2], serial_der(), told[3])
            lines.append((tst_info_der, client))
            wanted.append((tst_info_der, one.wants_certificate))
        return lines, wanted, refused

    def _require_stamped(self, asked: request.TimestampRequest) -> None:
        """A hash and a policy that this authority has."""
        if not self._stamps_sm3 and request.is_sm3(asked):
            raise Rejection(Failure.BAD_ALG, "SM3 is stamped by an SM2 authority")
        wanted = asked.policy_der
        if wanted and wanted not in (self._policy_der, self._measured_policy_der):
            raise Rejection(
                Failure.UNACCEPTED_POLICY, f"the policies are {' and '.join(self._policy_oids)}"
            )

    def _told(self) -> _Told:
        """Encoded once for all tokens that share one reading."""
        reading, known = self._read(), self._moment
        if known is None or known[0] is not reading:
            policy_der = self._measured_policy_der if reading.verified else self._policy_der
            moment_der = tokens.moment(reading.at, reading.bound)
            known = reading, policy_der, tokens.beginning(policy_der), moment_der
            self._moment = known
        return known

    def _read(self) -> Reading:
        try:
            reading = self._clock()
        except Unavailable as error:
            raise Rejection(Failure.TIME_NOT_AVAILABLE, error.code, error.code) from error
        if not _NO_BOUND < reading.bound <= _LONGEST_BOUND:
            raise ValueError(f"an accuracy is above zero and at most a day: {reading.bound}")
        if not self._not_before <= reading.at <= self.not_after:
            raise Rejection(
                Failure.SYSTEM_FAILURE,
                "the authority's certificate is not valid at this time",
                "fix.certificate-ended",
            )
        return reading


def _require_policy(wanted: bytes, told: _Told) -> None:
    reading, policy_der = told[:2]
    if wanted != policy_der:
        stands = "verified" if reading.verified else "not verified"
        raise Rejection(Failure.UNACCEPTED_POLICY, f"the clock is {stands}")


def rejected(rejection: Rejection) -> Answer:
    """An answer without a token, for whoever turned the question away."""
    return Answer(tokens.rejected(rejection), None, rejection.failure, rejection.code)


def random_serials(entropy: Callable[[int], bytes]) -> Callable[[], bytes]:
    """128 random bits under a leading 1: never zero, never negative, below RFC 3161's 160.

    Each as the INTEGER that stands in a token. Drawn for many at once; a process that was
    forked draws its own."""
    drawn: deque[bytes] = deque()
    os.register_at_fork(after_in_child=drawn.clear)

    def serial() -> bytes:
        while True:
            try:
                return drawn.pop()
            except IndexError:
                octets = entropy(16 * _SERIALS_AT_ONCE)
                drawn.extend(
                    b"\x02\x11\x01" + octets[at : at + 16] for at in range(0, len(octets), 16)
                )

    return serial


def require_suited(certificate: x509.Certificate, key: SigningKey) -> None:
    """RFC 3161 §2.3: a key for timestamps alone; its certificate must say so, critically."""
    if sm2_x509.public_key_der_of(certificate) != key.public_key_der:
        raise _unsuited("a certificate of another key")
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise _unsuited("no extended key usage") from None
    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _unsuited("an extended key usage that is not critical, or not timeStamping alone")


def _unsuited(found: str) -> Refused:
    return Refused(
        "fix.certificate-unsuited",
        expected="the key's own certificate, for timeStamping only and critically",
        found=found,
        act="give the timestamp authority its own certificate",
    )


def name_of(certificate: x509.Certificate) -> str:
    """How an authority is called: its common name, or the whole one."""
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string()
