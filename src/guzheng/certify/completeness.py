"""The row of a web capture's certificate that says how complete the archive is.

Counts and a short list, as docs/spec/completeness.md §3 defines them. The certificate names the
first gaps and says where the rest stand: the record has a thousand, `guzheng transcript --json`
ten thousand.
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
    "不全或缺失 {missing_in_all} 项",
    "requested by the page {requested}; recorded {recorded}; seen on the wire {seen_on_wire}; "
    "missing or not whole {missing_in_all}",
)
REASONS_OF = Phrase(
    "以下原因为其中前 {listed} 项的原因",
    "the reasons below are those of the first {listed}",
)
REST = Phrase(
    "以上列出 {named} 项；取证记录 capture.json 列出前 1,000 项，"
    "其余用 guzheng transcript --json 逐项列出，至多 10,000 项",
    "{named} are named above; the capture record (capture.json) names the first 1,000, and "
    "guzheng transcript --json the first 10,000",
)
UNOPENED = Phrase(
    "有 {unopened} 条连接未能打开，其中内容无从得知",
    "connections that could not be opened: {unopened}; what they held is not known",
)
_LONGEST = 65536
_NAMED, _CUT = 12, 160  # of the gaps, and characters of an address


@dataclass(frozen=True, slots=True)
class Completeness:
    """`gaps`: method, address and reason, as far as they are listed."""

    requested: int
    recorded: int
    seen_on_wire: int
    unopened: int
    missing_in_all: int
    gaps: tuple[tuple[str, str, str], ...]

    @classmethod
    def read(cls, value: object) -> "Completeness":
        fields = Fields(value, "certificate.capture.completeness")
        figure = cls(
            requested=fields.count("requested"),
            recorded=fields.count("recorded"),
            seen_on_wire=fields.count("seen_on_wire"),
            unopened=fields.count("unopened"),
            missing_in_all=fields.count("missing_in_all"),
            gaps=tuple(map(_gap, fields.items("missing", most=1000))),
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
        if self.missing_in_all > len(self.gaps):
            lines += pen.both(REASONS_OF.filled(listed=len(self.gaps)), "warn")
        for why, count in sorted(Counter(why for _, _, why in self.gaps).items()):
            lines += pen.both(_counted(why, count))
        for method, url, why in self.gaps[:_NAMED]:
            lines.append(pen.line(f"· {method} {_short(url)} [{why}]", "mute"))
        if self.missing_in_all > (named := min(len(self.gaps), _NAMED)):
            lines += pen.both(REST.filled(named=named))
        if self.unopened:
            lines += pen.both(UNOPENED.filled(unopened=self.unopened), "warn")
        return [pen.row(LABEL, *lines)]


def _gap(value: object) -> tuple[str, str, str]:
    fields = Fields(value, "certificate.capture.completeness.missing")
    method, url = (fields.text(name, longest=_LONGEST) for name in ("method", "url"))
    why = fields.text("why")
    fields.text_or_none("detail")
    fields.end()
    return method[:20], url, why


def _short(url: str) -> str:
    return url if len(url) <= _CUT else f"{url[: _CUT - 1]}…"


def _counted(why: str, count: int) -> Phrase:
    """A reason of a later version stands as it is."""
    code = f"transcript.missing.{why}"
    zh, en = (words.find_words(code, one) or why for one in words.LANGUAGES)
    return Phrase(f"{count} 项：{zh}", f"{count}: {en}")
