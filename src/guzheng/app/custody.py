"""The custody of exhibits: what happened to each since its papers were made, and notes."""

import unicodedata
from collections.abc import Iterable
from datetime import datetime

from guzheng.app.parts import Parts
from guzheng.keep.custody import NOTED, READ_AGAIN, Custody, CustodyEvent
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.ids import LOCAL

NOTE_LIMIT = 2000


class Keeping:
    """Writes down what happens; may be shared by threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rows = Custody(parts.accounts)

    def tell(
        self,
        act: str,
        exhibits: Iterable[str],
        *,
        said: str = "",
        account: str = LOCAL,
        person: str = "",
    ) -> None:
        """It happened, now, to these."""
        now = self._parts.now()
        self._rows.add(
            *(
                CustodyEvent(self._name(), one, act, now, account, person, said)
                for one in exhibits
            )
        )

    def note(self, exhibit: str, text: str, *, account: str = LOCAL, person: str = "") -> None:
        """Somebody's words beside an exhibit; they stay."""
        words = text.replace("\r\n", "\n").strip()
        hidden = [one for one in words if unicodedata.category(one) in {"Cc", "Cf"}]
        if not words or len(words) > NOTE_LIMIT or set(hidden) - {"\n"}:
            raise Refused(
                "keep.note-refused",
                expected=f"1 to {NOTE_LIMIT} visible characters",
                found=f"{len(words)}",
            )
        self.tell(NOTED, [exhibit], said=words, account=account, person=person)

    def read_again(self, damaged: int) -> None:
        """Every octet of everything was read again, and so much was found damaged."""
        self.tell(READ_AGAIN, [""], said=str(damaged), account="")

    def last_reading(self) -> tuple[datetime, int] | None:
        """When everything was read again last, and how much was found damaged."""
        last = self._rows.last(READ_AGAIN)
        return None if last is None else (last.observed_at, int(last.said))

    def of(self, exhibit: str) -> tuple[CustodyEvent, ...]:
        """The latest first; what was read again before the exhibit came is left out."""
        return tuple(
            one
            for one in self._rows.of(exhibit)
            if one.exhibit or one.event.partition("_")[2] > exhibit.partition("_")[2]
        )

    def _name(self) -> str:
        return ids.new("cu", self._parts.now(), self._parts.entropy)
