"""How letters travel: to the console of this machine, or by SMTP (RFC 5321, 8314).

    smtps://USER:PASSWORD@HOST:465    TLS from the first octet
    smtp://USER:PASSWORD@HOST:587     STARTTLS, which must succeed
    smtp://127.0.0.1:25               on this machine itself: in clear

A password never travels in clear, and a server that offers no TLS is given no letter. Telephone
numbers are reached on the console, or by a gateway (`shortmessages`). A message has one
addressee, and no line of it can become a header.
"""

import contextlib
import re
import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from guzheng.accounts import calling
from guzheng.accounts.letters import NO_FACTS
from guzheng.refusals import Refused, Unavailable

SECONDS: Final = 20.0  # for one wait
WHOLE_SECONDS: Final = 60.0  # for all that is said of one letter
_SENDER: Final = re.compile(r"([^<>\r\n]+ )?<?[^\s<>@]+@[^\s<>@]+>?")
_PORTS: Final = {"smtp": 587, "smtps": 465}
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ConsoleMail:
    """Whoever runs the server reads it there, and hands the link on."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def reaches(self, address: str) -> bool:  # noqa: ARG002 - of the port
        return True

    def send(
        self, address: str, subject: str, text: str, facts: Mapping[str, str] = NO_FACTS
    ) -> None:
        del facts
        self._write(f"\n──── {address} ──── {subject}\n{text}\n")


class SmtpMail:
    """Hands each letter to one server, under one sender."""

    def __init__(self, url: str, sender: str, seconds: float = WHOLE_SECONDS) -> None:
        parts, self._seconds = urlsplit(url), seconds
        self._envelope = parseaddr(sender)[1]
        try:
            port = parts.port
        except ValueError as error:
            raise _unusable() from error
        if parts.scheme not in _PORTS or not parts.hostname or not _SENDER.fullmatch(sender):
            raise _unusable()
        self._host, self._port = parts.hostname, port or _PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._whole = parts.scheme == "smtps"
        self._sender = sender

    def reaches(self, address: str) -> bool:
        return "@" in address

    def send(
        self, address: str, subject: str, text: str, facts: Mapping[str, str] = NO_FACTS
    ) -> None:
        del facts
        letter = EmailMessage(policy=SMTP)
        letter["From"], letter["To"], letter["Subject"] = self._sender, address, subject
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it by himself
        letter.set_content(text, cte="base64")
        try:
            with _ended_after(self._seconds) as lines, self._connected(lines) as server:
                self._introduce(server)
                server.send_message(letter, self._envelope, [address])
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(
                "accounts.mail-failed",
                expected=f"{self._host}:{self._port} takes the letter",
                found=type(error).__name__,  # its text may have the address in it
                act="the operator looks at smtp_url and at that server",
            ) from error

    def _connected(self, lines: list[smtplib.SMTP]) -> smtplib.SMTP:
        place, wait = (self._host, self._port), min(SECONDS, self._seconds)
        if self._whole:
            context = ssl.create_default_context()
            return _Secure(lines, *place, timeout=wait, context=context)
        return _Plain(lines, *place, timeout=wait)

    def _introduce(self, server: smtplib.SMTP) -> None:
        """Nothing of ours is said before the line is private."""
        if not self._whole and self._host not in _HERE:
            server.starttls(context=ssl.create_default_context())
        if self._user:
            server.login(self._user, self._password)


class _Plain(smtplib.SMTP):
    """Known to who may have to end it before it has greeted."""

    def __init__(self, lines: list[smtplib.SMTP], *given: Any, **named: Any) -> None:
        lines.append(self)
        super().__init__(*given, **named)


class _Secure(smtplib.SMTP_SSL):
    def __init__(self, lines: list[smtplib.SMTP], *given: Any, **named: Any) -> None:
        lines.append(self)
        super().__init__(*given, **named)


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[list[smtplib.SMTP]]:
    """What is put into the list is cut off then: a server that says one octet now and again
    would hold a letter, and those behind it, for as long as it likes."""
    lines: list[smtplib.SMTP] = []

    def cut() -> None:
        for one in lines:
            if (held := getattr(one, "sock", None)) is not None:
                with contextlib.suppress(OSError):
                    calling.cut_off(held)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield lines
    finally:
        timer.cancel()


def _unusable() -> Refused:
    return Refused(
        "config.value-refused",
        expected="smtp_url: smtps://USER:PASSWORD@HOST:465 or smtp://…:587, and mail_from",
        found="another value",  # it may have a password in it
        act="mend the settings",
    )
