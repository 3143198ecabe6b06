"""The row of a web capture's certificate that says how complete the archive is.

Counts and a short list, as docs/spec/completeness.md §3 defines them; the record has every gap.
"""

from collections import Counter
from dataclasses import dataclass

from guzheng import words
from guzheng.certify.pen import Pen, Printed
from guzheng.certify.wording import Phrase
from guzheng.proof.fields import Fields

LABEL = Phrase("完整性", "Completeness")
FIGURE = Phrase(
    "网页请求 {requested} 项；存档 {recorded} 项；在传输原文中看到 {seen_on_wire} 项；"
    "不全或缺失 {missing_in_all} 项（逐项见取证记录）",
    "requested by the page {requested}; recorded {recorded}; seen on the wire {seen_on_wire}; "
    "missing or not whole {missing_in_all} (each by name on the capture record)",
)
UNOPENED = Phrase(
    "有 {unopened} 条连接未能打开，其中内容无从得知",
    "connections that could not be opened: {unopened}; what they held is not known",
)
_LONGEST = 65536


@dataclass(frozen=True, slots=True)
class Completeness:
    """`gaps` are counted by reason, as far as they are listed."""

    requested: int
    recorded: int
    seen_on_wire: int
    unopened: int
    missing_in_all: int
    gaps: tuple[tuple[str, int], ...]

    @classmethod
    def read(cls, value: object) -> "Completeness":
        fields = Fields(value, "certificate.capture.completeness")
        figure = cls(
            requested=fields.count("requested"),
            recorded=fields.count("recorded"),
            seen_on_wire=fields.count("seen_on_wire"),
            unopened=fields.count("unopened"),
            missing_in_all=fields.count("missing_in_all"),
            gaps=_by_reason(fields.items("missing", most=1000)),
        )
        fields.end()
        return figure

    def rows(self, pen: Pen) -> list[Printed]:
        facts = {
            "requested": self.requested,
            "recorded": self.recorded,
            "seen_on_wire": self.seen_on_wire,
            "missing_in_all": self.missing_in_all,
        }
        lines = [*pen.both(FIGURE.filled(**facts))]
        for why, count in self.gaps:
            lines += pen.both(_named(why, count))
        if self.unopened:
            lines += pen.both(UNOPENED.filled(unopened=self.unopened), "warn")
        return [pen.row(LABEL, *lines)]


def _by_reason(listed: list[object]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(map(_reason, listed)).items()))


def _reason(value: object) -> str:
    fields = Fields(value, "certificate.capture.completeness.missing")
    why = fields.text("why")
    for name in ("method", "url"):
        fields.text(name, longest=_LONGEST)
    fields.text_or_none("detail")
    fields.end()
    return why


def _named(why: str, count: int) -> Phrase:
    """A reason of a later version stands as it is."""
    code = f"transcript.missing.{why}"
    zh, en = (words.find_words(code, one) or why for one in words.LANGUAGES)
    return Phrase(f"{count} 项：{zh}", f"{count}: {en}")
