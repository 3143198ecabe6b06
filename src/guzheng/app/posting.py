"""Letters on their way: taken at once, sent by a thread of their own.

A request does not wait for a mail server: that would be slow, and would tell by how long it
takes whether a letter goes out. What is on its way when the process ends is lost, and asked for
again.
"""

import logging
import queue
import sys
import threading
from typing import Final

from guzheng.accounts.letters import Mail
from guzheng.accounts.post import ConsoleMail, SmtpMail
from guzheng.config import Config
from guzheng.refusals import Unavailable

_log = logging.getLogger(__name__)

WAITING: Final = 1000
_TRIES: Final = 2


def open_mail(config: Config) -> Mail:
    """What the settings name. Raises Refused for what cannot be."""
    if config.smtp_url:
        return SmtpMail(config.smtp_url, config.mail_from)
    return ConsoleMail(lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201 - the console


class Posting:
    """Hands letters on one after the other."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._waiting: queue.Queue[tuple[str, str, str]] = queue.Queue(WAITING)
        self._starting = threading.Lock()
        self._started = False

    def reaches(self, address: str) -> bool:
        return self._mail.reaches(address)

    def post(self, address: str, subject: str, text: str) -> None:
        """Raises Unavailable when too many wait."""
        with self._starting:
            if not self._started:
                self._started = True
                threading.Thread(target=self._work, name="posting", daemon=True).start()
        try:
            self._waiting.put_nowait((address, subject, text))
        except queue.Full as error:
            raise Unavailable(
                "accounts.mail-crowded",
                expected=f"at most {WAITING} letters waiting",
                found="more",
                act="try again in a few minutes",
            ) from error

    def _work(self) -> None:
        while True:
            address, subject, text = self._waiting.get()
            for remaining in reversed(range(_TRIES)):
                try:
                    self._mail.send(address, subject, text)
                    break
                except Unavailable as problem:
                    if not remaining:  # neither address nor link: whoever reads logs
                        _log.warning("%s: %s", problem.code, problem.found)
