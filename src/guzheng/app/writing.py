"""What the installation writes to persons: by letter, or to a telephone as a short message.

The words are of `words`; who carries them is `posting`. A telephone gets a shorter text, within
the day's messages and not too many at a time. What a person is told of his own sign-in goes by
places and messages of its own, which others cannot use up by asking for messages to him.
"""

import contextlib
from collections.abc import Mapping

from guzheng import words
from guzheng.accounts.entering import Rooms
from guzheng.accounts.letters import Mail
from guzheng.accounts.people import Person, parse_address
from guzheng.accounts.sessions import Caller, legible
from guzheng.accounts.shortbudget import ShortBudget
from guzheng.accounts.tries import INVITED, SHORT
from guzheng.app.auditing import Audit
from guzheng.app.parts import Parts
from guzheng.app.posting import open_posting
from guzheng.config import Config
from guzheng.proof import instant
from guzheng.refusals import Problem, Refused


class Writing:
    """May be shared by threads."""

    def __init__(self, config: Config, parts: Parts, rooms: Rooms, mail: Mail | None) -> None:
        self._rooms, self._now = rooms, parts.now
        self._posting = open_posting(config, parts, mail)
        self._budget = ShortBudget(
            parts.accounts, config.sms_prefixes, config.sms_daily, config.sms_notices
        )
        self._audit = Audit(parts.data, parts.now)
        self._sends_short = bool(config.sms_url)

    def reaches(self, address: str) -> bool:
        return self._posting.reaches(address)

    def require_reachable(self, typed: str) -> None:
        """Refused for what is no address, and for a telephone where no message can be sent."""
        if not self._posting.reaches(parse_address(typed)):
            raise Refused("accounts.not-reachable", expected="name@example.com")

    def write(
        self, to: str, kind: str, language: words.Language, facts: Mapping[str, str]
    ) -> None:
        """On its way when this returns. Raises Refused (too-often) for a telephone."""
        is_short, is_notice = to.startswith("+"), kind == "changed"
        if is_short:
            counted = "short-notice" if is_notice else "short"
            limits, now = {self._rooms.subject(counted, to): SHORT}, self._now()
            self._rooms.tries.claim(limits, now)
            self._spend_on(to, is_notice=is_notice)
        short = words.find_words(f"letter.{kind}.sms", language, **facts) if is_short else None
        text = short or words.say(f"letter.{kind}.text", language, **facts)
        subject = words.say(f"letter.{kind}.subject", language, **facts)
        said = {"kind": kind, "language": language}
        said |= {name: facts.get(name, "") for name in ("link", "code")}
        given = {name: one for name, one in said.items() if one}
        self._posting.post(to, subject, text, given, is_notice=is_notice)

    def write_to(self, typed: str, letter: str, language: words.Language, **facts: str) -> str:
        """A letter that somebody who is signed in has us send; gives the address as kept. One
        address gets so many, whoever they are from."""
        self.require_reachable(typed)
        address = parse_address(typed)
        limits, now = {self._rooms.subject(letter, address): INVITED}, self._now()
        self._rooms.tries.claim(limits, now)
        self.write(address, letter, language, facts)
        return address

    def warn(self, person: Person, what: str, caller: Caller, *, address: str = "") -> None:
        """What changed about a person's sign-in he is told by letter, were it not his doing."""
        language, to = language_of(caller), address or person.address
        if self._posting.reaches(to):
            facts = {
                "what": words.say(f"person.event.{what}", language),
                "at": instant.beijing(self._now()),
                "device": legible(caller.device, 120),
                "place": caller.address,
            }
            # Too many messages, or letters that wait: his history has it, and it is done.
            with contextlib.suppress(Problem):
                self.write(to, "changed", language, facts)

    def short_messages(self) -> tuple[tuple[str, int, int], ...]:
        """For the operator: by prefix, those of this day, and how many there may be."""
        return self._budget.spent(self._now()) if self._sends_short else ()

    def _spend_on(self, number: str, *, is_notice: bool) -> None:
        """Within the day's messages; that they are used up, the operator is told."""
        spend = self._budget.spend_on_notice if is_notice else self._budget.spend
        if last := spend(number, self._now()):
            prefix, sent = last
            self._audit.tell("sms.budget", prefix=prefix, sent=sent)


def language_of(caller: Caller) -> words.Language:
    return words.find_language(caller.language) or words.SOURCE
