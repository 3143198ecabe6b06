"""A whole connection: the handshake read and checked, then everything that was said.

RFC 8446 §4 and RFC 5246 §7. The steps are told one by one to `Handshake`, so that a connection
whose signature is bad can still be read, and one that cannot be read still shows what it is.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from guzheng.proof.errors import Malformed, ProofError, Refuted, Undecided
from guzheng.transcript.keylog import KeyLog
from guzheng.transcript.tls import messages, schedule, signatures
from guzheng.transcript.tls.messages import ClientHello, ServerHello
from guzheng.transcript.tls.records import HANDSHAKE, Direction, Ended, Plaintext
from guzheng.transcript.tls.suites import SUITES, Suite

_VERSIONS = {messages.TLS_12: "TLS 1.2", messages.TLS_13: "TLS 1.3"}


@dataclass(slots=True)
class Session:
    """What one connection was, as far as it could be read; faults in the order of discovery."""

    version: str = ""
    suite: str = ""
    alpn: str = ""
    server_name: str = ""
    certificates: tuple[bytes, ...] = ()
    ocsp: bytes = b""  # the answer of OCSP that the site sent with its certificate
    timestamps: bytes = b""  # likewise its list of SCTs (RFC 6962 §3.3)
    scheme: str = ""  # by which the site signed
    retried: bool = False  # HelloRetryRequest
    finished: tuple[bool, bool] = (False, False)  # the client's, the server's: both fit
    resumes: bytes = b""  # the ticket or session of an earlier connection; then no certificate
    gives: list[bytes] = field(default_factory=list[bytes])  # tickets and sessions for later
    sent: Plaintext = field(default_factory=Plaintext)
    received: Plaintext = field(default_factory=Plaintext)
    faults: list[tuple[str, ProofError]] = field(default_factory=list[tuple[str, ProofError]])

    def attempt(self, step: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except ProofError as error:
            self.faults.append((step, error))
            return False
        return True


def looks_like_tls(sent: bytes) -> bool:
    """A ClientHello opens it (RFC 8446 §5.1)."""
    return sent[:2] == b"\x16\x03" and sent[5:6] == b"\x01"


def open_session(sent: bytes, received: bytes, keys: KeyLog) -> Session:
    """Never raises for what is in the octets: see `faults`."""
    session = Session()
    client, server = Direction("client", sent), Direction("server", received)
    session.sent, session.received = client.plain, server.plain
    opening = _Opening(session, client, server, keys)
    session.attempt("tls.handshake", opening.handshake)
    if opening.ready is not None:
        suite = opening.ready
        session.attempt("tls.records", lambda: server.drain(suite))
        session.attempt("tls.records", lambda: client.drain(suite))
        session.attempt("tls.records", lambda: _keep_tickets(session, server))
    return session


def _keep_tickets(session: Session, server: Direction) -> None:
    session.gives += [messages.ticket_13(one) for one in server.tickets]


@dataclass(slots=True)
class _Opening:
    session: Session
    client: Direction
    server: Direction
    keys: KeyLog
    ready: Suite | None = None  # set when both directions have their last keys
    said: bytes = b""  # every handshake message so far

    def handshake(self) -> None:
        try:
            self._hellos()
        except Ended as ended:
            wanted = "a whole handshake"
            raise Undecided("transcript.handshake-unfinished", wanted, ended.why) from ended

    def _take(self, direction: Direction, *kinds: int) -> bytes:
        kind, message = direction.message()
        if kind not in kinds:
            wanted = f"{direction.name}: message {' or '.join(map(str, kinds))}"
            raise Malformed("transcript.tls-malformed", wanted, f"message {kind}")
        self.said += message
        return message

    def _hellos(self) -> None:
        first = self._take(self.client, messages.CLIENT_HELLO)
        hello = messages.client_hello(first)
        self.session.server_name = hello.server_name
        answer = messages.server_hello(self._take(self.server, messages.SERVER_HELLO))
        suite = self._suite_of(answer)
        if answer.is_retry:  # RFC 8446 §4.4.1: the first hello is replaced by its hash
            self.session.retried = self.client.retried = self.server.retried = True
            retry = self.said[len(first) :]
            digest = schedule.hash_of(suite, first)
            self.said = bytes((messages.MESSAGE_HASH, 0, 0, len(digest))) + digest + retry
            hello = messages.client_hello(self._take(self.client, messages.CLIENT_HELLO))
            answer = messages.server_hello(self._take(self.server, messages.SERVER_HELLO))
            if self._suite_of(answer) is not suite or answer.is_retry:
                raise Malformed("transcript.tls-malformed", "the suite of the retry", "another")
        if suite.version == messages.TLS_13:
            self._modern(suite, hello, answer)
        else:
            self._older(suite, hello, answer)

    def _suite_of(self, answer: ServerHello) -> Suite:
        self.session.version = _VERSIONS.get(answer.version, f"0x{answer.version:04x}")
        suite = SUITES.get(answer.suite)
        self.session.suite = suite.name if suite else f"0x{answer.suite:04x}"
        self.session.alpn = answer.alpn
        if suite is None or suite.version != answer.version:
            found = f"{self.session.version}, {self.session.suite}"
            raise Undecided("transcript.suite-not-opened", "a suite with AEAD", found)
        return suite

    def _secret(self, label: str, hello: ClientHello, size: int) -> bytes:
        found = self.keys.find(label, hello.random)
        if found is None:
            hidden = " (an Encrypted Client Hello was sent)" if hello.hides else ""
            raise Undecided("transcript.no-key", f"{label} in the key log", f"none{hidden}")
        if len(found) != size:
            wanted = f"{label} of {size} octets"
            raise Malformed("transcript.key-log-malformed", wanted, f"{len(found)} octets")
        return found

    def _digest(self, suite: Suite) -> bytes:
        return schedule.hash_of(suite, self.said)

    # ---- TLS 1.3

    def _modern(self, suite: Suite, hello: ClientHello, answer: ServerHello) -> None:
        size = suite.hash_size
        to_server = self._secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hello, size)
        to_client = self._secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hello, size)
        later_sent = self._secret("CLIENT_TRAFFIC_SECRET_0", hello, size)
        later_received = self._secret("SERVER_TRAFFIC_SECRET_0", hello, size)
        self.server.rekey(schedule.keys_of(suite, to_client))
        extensions = self._take(self.server, messages.ENCRYPTED_EXTENSIONS)
        self.session.alpn, early = messages.encrypted_extensions(extensions)
        if hello.early_data:  # taken or not, those octets are under a key of their own
            found = "early data, taken" if early else "early data, not taken"
            raise Undecided("transcript.early-data", "no 0-RTT", found)
        asked = self._server_side(suite, hello, answer)
        expected = schedule.finished_13(suite, to_client, self._digest(suite))
        finished = self._take(self.server, messages.FINISHED)
        self._require_finished("server", finished, expected)
        self.client.rekey(schedule.keys_of(suite, to_server))
        if asked:
            self._client_side()
        expected = schedule.finished_13(suite, to_server, self._digest(suite))
        self._require_finished("client", self._take(self.client, messages.FINISHED), expected)
        self.server.rekey(schedule.keys_of(suite, later_received))
        self.client.rekey(schedule.keys_of(suite, later_sent))
        self.ready = suite

    def _server_side(self, suite: Suite, hello: ClientHello, answer: ServerHello) -> bool:
        """Certificate and signature; whether the server asked for the client's."""
        if answer.resumes is not None:
            if answer.resumes >= len(hello.tickets):
                raise Malformed("transcript.tls-malformed", "a ticket offered", "none such")
            self.session.resumes = hello.tickets[answer.resumes]
            return False
        kinds = (messages.CERTIFICATE, messages.COMPRESSED_CERTIFICATE)
        message = self._take(self.server, messages.CERTIFICATE_REQUEST, *kinds)
        asked = message[0] == messages.CERTIFICATE_REQUEST
        if asked:
            message = self._take(self.server, *kinds)
        self.session.certificates = messages.certificates(message, modern=True)
        with contextlib.suppress(Malformed):  # what came beside it makes no handshake worse
            self.session.ocsp, self.session.timestamps = messages.stapled(message)
        over = signatures.CONTEXT_13 + self._digest(suite)
        scheme, signature = messages.verification(
            self._take(self.server, messages.CERTIFICATE_VERIFY)
        )
        self._require_signed(scheme, signature, over, modern=True)
        return asked

    def _client_side(self) -> None:
        kinds = (messages.CERTIFICATE, messages.COMPRESSED_CERTIFICATE)
        message = self._take(self.client, *kinds)
        if messages.certificates(message, modern=True):
            self._take(self.client, messages.CERTIFICATE_VERIFY)

    def _require_signed(
        self, scheme: int, signature: bytes, over: bytes, *, modern: bool
    ) -> None:
        def check() -> None:
            if not self.session.certificates:
                raise Malformed("transcript.leaf-malformed", "a certificate", "none")
            leaf = self.session.certificates[0]
            self.session.scheme = signatures.require_signed(
                leaf, scheme, signature, over, modern=modern
            )

        self.session.attempt("tls.origin", check)

    def _require_finished(self, who: str, message: bytes, expected: bytes) -> None:
        if message[4:] != expected:
            wanted = f"the {who}'s Finished over this handshake"
            raise Refuted("transcript.finished-bad", wanted, "another value")
        client, server = self.session.finished
        self.session.finished = (client or who == "client", server or who == "server")

    # ---- TLS 1.2

    def _older(self, suite: Suite, hello: ClientHello, answer: ServerHello) -> None:
        master = self._secret("CLIENT_RANDOM", hello, 48)
        sent, received = schedule.key_block(suite, master, hello.random, answer.random)
        if answer.session:
            self.session.gives.append(answer.session)
        fresh = self.server.next_kind() == HANDSHAKE
        if fresh:
            kind, message = self.server.message()
            self.said += message
            fresh = kind == messages.CERTIFICATE
            if fresh:
                self._full(suite, message, hello, answer)
            elif kind == messages.NEW_TICKET:
                self.session.gives.append(messages.ticket_12(message))
            else:
                raise Malformed("transcript.tls-malformed", "Certificate", f"message {kind}")
        if fresh:
            self._end(suite, master, self.client, sent)
            if self.server.next_kind() == HANDSHAKE:
                ticket = self._take(self.server, messages.NEW_TICKET)
                self.session.gives.append(messages.ticket_12(ticket))
            self._end(suite, master, self.server, received)
        else:
            self.session.resumes = hello.tickets[0] if hello.tickets else hello.session
            self._end(suite, master, self.server, received)
            self._end(suite, master, self.client, sent)
        self.ready = suite

    def _full(
        self, suite: Suite, message: bytes, hello: ClientHello, answer: ServerHello
    ) -> None:
        self.session.certificates = messages.certificates(message, modern=False)
        self.session.timestamps = answer.timestamps
        asked = False
        signed = not suite.signed
        while True:
            message = self._take(
                self.server,
                messages.CERTIFICATE_STATUS,
                messages.SERVER_KEY_EXCHANGE,
                messages.CERTIFICATE_REQUEST,
                messages.SERVER_HELLO_DONE,
            )
            match message[0]:
                case messages.SERVER_KEY_EXCHANGE:
                    share, scheme, signature = messages.key_exchange(message)
                    over = hello.random + answer.random + share
                    self._require_signed(scheme, signature, over, modern=False)
                    signed = True
                case messages.CERTIFICATE_REQUEST:
                    asked = True
                case messages.SERVER_HELLO_DONE:
                    break
                case _:
                    with contextlib.suppress(Malformed):
                        self.session.ocsp = messages.status_12(message)
        if not signed:
            raise Malformed("transcript.tls-malformed", "ServerKeyExchange", "none")
        held = asked and bool(
            messages.certificates(self._take(self.client, messages.CERTIFICATE), modern=False)
        )
        self._take(self.client, messages.CLIENT_KEY_EXCHANGE)
        if held:
            self._take(self.client, messages.CERTIFICATE_VERIFY)

    def _end(
        self, suite: Suite, master: bytes, direction: Direction, keys: schedule.Keys
    ) -> None:
        direction.change_cipher(keys)
        label = f"{direction.name} finished"
        expected = schedule.finished_12(suite, master, label, self._digest(suite))
        self._require_finished(
            direction.name, self._take(direction, messages.FINISHED), expected
        )
