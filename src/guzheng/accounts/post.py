"""How letters travel: to the console of this machine, or by SMTP (RFC 5321, 8314).

    smtps://USER:PASSWORD@HOST:465    TLS from the first octet
    smtp://USER:PASSWORD@HOST:587     STARTTLS, which must succeed
    smtp://127.0.0.1:25               on this machine itself: in clear

A password never travels in clear, and a server that offers no TLS is given no letter. Telephone
numbers are reached on the console, or by a gateway (`shortmessages`). A message has one
addressee, and no line of it can become a header.
"""

import re
import smtplib
import ssl
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

from guzheng.accounts.letters import NO_FACTS
from guzheng.refusals import Refused, Unavailable

SECONDS: Final = 20.0
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

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
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
            with self._connected() as server:
                self._introduce(server)
                server.send_message(letter, self._envelope, [address])
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(
                "accounts.mail-failed",
                expected=f"{self._host}:{self._port} takes the letter",
                found=type(error).__name__,  # its text may have the address in it
                act="the operator looks at smtp_url and at that server",
            ) from error

    def _connected(self) -> smtplib.SMTP:
        if self._whole:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=context)
        return smtplib.SMTP(self._host, self._port, timeout=SECONDS)

    def _introduce(self, server: smtplib.SMTP) -> None:
        """Nothing of ours is said before the line is private."""
        if not self._whole and self._host not in _HERE:
            server.starttls(context=ssl.create_default_context())
        if self._user:
            server.login(self._user, self._password)


def _unusable() -> Refused:
    return Refused(
        "config.value-refused",
        expected="smtp_url: smtps://USER:PASSWORD@HOST:465 or smtp://…:587, and mail_from",
        found="another value",  # it may have a password in it
        act="mend the settings",
    )
