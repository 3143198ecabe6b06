"""Letters on their way: taken at once, sent by a thread of their own.

A request does not wait for a mail server: that would be slow, and would tell by how long it
takes whether a letter goes out. What is on its way when the process ends is lost, and asked for
again. Short messages have a thread of their own: a gateway that is slow holds up no letter.

Notices that a sign-in was changed go before all others and have places of their own: who asks
for a thousand letters that nobody reads must not keep the one away that tells of him.
"""

import itertools
import logging
import queue
import sys
import threading
from collections.abc import Mapping
from typing import Final

from guzheng.accounts.letters import NO_FACTS, Mail
from guzheng.accounts.post import ConsoleMail, SmtpMail
from guzheng.accounts.shortmessages import SmsGateway
from guzheng.app.parts import Parts
from guzheng.config import Config
from guzheng.refusals import Problem, Unavailable

_log = logging.getLogger(__name__)
_Letter = tuple[str, str, str, Mapping[str, str]]

WAITING: Final = 1000
RESERVED: Final = 1000  # places for notices, besides
_TRIES: Final = 2


def open_mail(config: Config) -> Mail:
    """What the settings name. Raises Refused for what cannot be."""
    if config.smtp_url:
        return SmtpMail(config.smtp_url, config.mail_from)
    return ConsoleMail(lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201 - the console


def open_posting(config: Config, parts: Parts, mail: Mail | None = None) -> "Carriers":
    """Short messages by their gateway, if the settings name one; all else by letter."""
    by_letter = Posting(mail or open_mail(config))
    if not config.sms_url:
        return Carriers(by_letter)
    gateway = SmsGateway(config.sms_url, config.sms_secret, parts.now, parts.entropy)
    return Carriers(Posting(gateway, tries=1), by_letter)  # it tries again by itself


class Posting:
    """Hands letters on one after the other."""

    def __init__(self, mail: Mail, tries: int = _TRIES) -> None:
        self._mail, self._tries = mail, tries
        self._waiting: queue.PriorityQueue[tuple[bool, int, _Letter]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._started = False

    def reaches(self, address: str) -> bool:
        return self._mail.reaches(address)

    def post(
        self,
        address: str,
        subject: str,
        text: str,
        facts: Mapping[str, str] = NO_FACTS,
        *,
        is_notice: bool = False,
    ) -> None:
        """Raises Unavailable when too many wait."""
        most = WAITING + RESERVED if is_notice else WAITING
        with self._starting:
            if not self._started:
                self._started = True
                threading.Thread(target=self._work, name="posting", daemon=True).start()
            if self._waiting.qsize() >= most:
                raise Unavailable(
                    "accounts.mail-crowded",
                    expected=f"at most {most} letters waiting",
                    found="more",
                    act="try again in a few minutes",
                )
            letter = (address, subject, text, facts)
            self._waiting.put_nowait((not is_notice, next(self._numbers), letter))

    def _work(self) -> None:
        while True:
            letter = self._waiting.get()[2]
            for remaining in reversed(range(self._tries)):
                try:
                    self._mail.send(*letter)
                    break
                except Problem as problem:
                    if not remaining or not isinstance(problem, Unavailable):
                        # neither address nor link: whoever reads logs
                        _log.warning("%s: %s", problem.code, problem.found)
                        break


class Carriers:
    """Each letter goes by the first that reaches its address."""

    def __init__(self, *carriers: Posting) -> None:
        self._carriers = carriers

    def reaches(self, address: str) -> bool:
        return any(one.reaches(address) for one in self._carriers)

    def post(
        self,
        address: str,
        subject: str,
        text: str,
        facts: Mapping[str, str] = NO_FACTS,
        *,
        is_notice: bool = False,
    ) -> None:
        """To an address that one of them reaches. Raises Unavailable when too many wait."""
        for one in self._carriers:
            if one.reaches(address):
                one.post(address, subject, text, facts, is_notice=is_notice)
                return
