"""Commands about orders of captures: capture, orders, compare.

The same flow as on the pages, with the same words: ordered, captured and sealed at once,
looked at, then confirmed or given up. `capture` confirms unless it is told otherwise.
"""

from pathlib import Path

import click

from guzheng.app import Platform
from guzheng.app.wishes import BadTable, BatchView, CommissionView, Wanted
from guzheng.cli.evidence import walked
from guzheng.cli.options import common, family, limited, opened, opened_to_stamp
from guzheng.cli.speaking import Speaker, legible
from guzheng.intake.rules import OPTIONS
from guzheng.proof import canonical, instant
from guzheng.words import find_words, say


@click.command("capture")
@click.argument("urls", nargs=-1, metavar="URL…")
@click.option(
    "--csv",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="按表格批量取证 / order what a table (CSV) lists: url, name, applicant, purpose",
)
@click.option(
    "--skip-bad", is_flag=True, help="跳过表格里有错的行 / leave out the table's bad lines"
)
@click.option(
    "--vantage",
    "vantages",
    multiple=True,
    metavar="NAME",
    help="取证点，可多个 / vantage point; several make one exhibit each",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    type=click.Choice(OPTIONS),
    help="另做：关闭隐私提示、保留下载、录下过程 / also: close a privacy notice, "
    "keep downloads, film the visit",
)
@click.option(
    "--confirm",
    "decision",
    flag_value="confirm",
    default="confirm",
    help="取证后即确认（默认）/ confirm once captured (the default)",
)
@click.option(
    "--give-up", "decision", flag_value="give-up", help="取证后放弃 / give up once captured"
)
@click.option(
    "--later",
    "decision",
    flag_value="later",
    help="稍后再决定 / decide later: guzheng orders confirm",
)
@click.option(
    "--allow-private",
    multiple=True,
    metavar="CIDR",
    help="允许访问的私有网段，会印在记录上 / private network to allow; printed on the record",
)
@click.option(
    "--trust-spki",
    multiple=True,
    metavar="BASE64",
    help="开发用：信任的服务器公钥指纹，会印在记录上 / server key to trust, on the record",
)
@click.option("--name", default="", help="证据名称 / evidence name")
@click.option("--applicant", default="", help="申请人（自述）/ applicant, as stated")
@click.option("--purpose", default="", help="用途 / purpose")
@common
def capture(
    urls: tuple[str, ...],
    file: Path | None,
    skip_bad: bool,  # noqa: FBT001 - click passes flags by name
    vantages: tuple[str, ...],
    options: tuple[str, ...],
    decision: str,
    allow_private: tuple[str, ...],
    trust_spki: tuple[str, ...],
    name: str,
    applicant: str,
    purpose: str,
    data: Path,
    speaker: Speaker,
) -> int:
    """网页取证 URL… / capture the page at each URL."""
    if not urls and file is None:
        raise click.UsageError("需要 URL 或 --csv / a URL or --csv is needed")
    given = {"allow_private": allow_private, "capture_trust_spki": trust_spki}
    chosen: dict[str, object] = {key: value for key, value in given.items() if value}
    if len(urls) < 2 and file is None:
        chosen["captures_waiting"] = 0  # no next one
    platform = opened_to_stamp(data, **chosen)
    platform.require_browser()
    views: list[CommissionView] = []
    if file is not None:
        try:
            batch = platform.ordering.order_table(
                file.read_bytes(),
                file.name,
                vantages=vantages,
                options=options,
                skip_bad=skip_bad,
            )
        except BadTable as refusal:
            _bad_lines(speaker, refusal)
            raise
        _left_out(speaker, batch)
        views += batch.views
    for url in urls:
        wanted = Wanted(url, name, applicant, purpose, vantages, options)
        views += platform.ordering.order(wanted)
    here = [one for one in views if platform.vantages.is_here(one.commission.vantage)]
    return _captured(platform, speaker, views, here, decision)


def _captured(
    platform: Platform,
    speaker: Speaker,
    views: list[CommissionView],
    here: list[CommissionView],
    decision: str,
) -> int:
    def decide(exhibit: str) -> None:
        view = platform.ordering.of_exhibit(exhibit)
        if view is None or view.state != "previewable":
            return
        number = view.commission.commission
        picture = platform.find_picture(exhibit)
        if picture is not None:
            speaker.note("cli.preview", path=legible(str(platform.folder(exhibit) / picture)))
        if decision == "confirm":
            platform.ordering.confirm(number)
        elif decision == "give-up":
            platform.ordering.give_up(number)
        else:
            speaker.note("cli.undecided", order=number)

    status = walked(platform, speaker, [one.commission.exhibit for one in here], decide)
    for one in views:
        if one not in here:
            speaker.note(
                "cli.waits-elsewhere",
                order=one.commission.commission,
                vantage=one.commission.vantage,
            )
            _show(speaker, platform.ordering.view(one.commission.commission))
    return status


def _bad_lines(speaker: Speaker, refusal: BadTable) -> None:
    for line in refusal.lines:
        words = find_words(line.code, speaker.language) or line.code
        speaker.note("cli.bad-line", number=line.number, words=words, found=legible(line.found))


def _left_out(speaker: Speaker, batch: BatchView) -> None:
    if batch.left_out:
        _bad_lines(speaker, BadTable(batch.left_out))


# ---- orders ----------------------------------------------------------------------------


orders = family("orders", "取证单：查看、确认、放弃、取消、重新取证 / orders of captures.")


@orders.command("list")
@limited
@common
def list_(limit: int, data: Path, speaker: Speaker) -> int:
    """列出取证单，最新的在前 / list orders, newest first."""
    platform = opened(data)
    for view in platform.ordering.page(limit):
        _show(speaker, view)
    quota = platform.ordering.quota()
    allowance = platform.ordering.limit_of()
    limit_text = "∞" if allowance is None else str(allowance)
    speaker.note("cli.quota", held=quota.held, spent=quota.spent, allowance=limit_text)
    return 0


@orders.command("show")
@click.argument("order")
@common
def show(order: str, data: Path, speaker: Speaker) -> int:
    """显示一份取证单和它的经过 / show an order and what happened to it."""
    view = opened(data).ordering.view(order)
    _show(speaker, view)
    for event in view.events:
        words = find_words(event.code, speaker.language) or event.code
        speaker.note(
            "cli.order-event",
            at=instant.beijing(event.observed_at),
            event=say(f"order.event.{event.kind}", speaker.language),
            why=words or "",
        )
    return 0


@orders.command("confirm")
@click.argument("order_numbers", nargs=-1, required=True, metavar="ORDER…")
@common
def confirm(order_numbers: tuple[str, ...], data: Path, speaker: Speaker) -> int:
    """确认，计入额度 / confirm: the unit is charged."""
    platform = opened(data)
    for one in order_numbers:
        _show(speaker, platform.ordering.confirm(one))
    return 0


@orders.command("give-up")
@click.argument("order_numbers", nargs=-1, required=True, metavar="ORDER…")
@common
def give_up(order_numbers: tuple[str, ...], data: Path, speaker: Speaker) -> int:
    """放弃，退回额度 / give up: the unit goes back."""
    platform = opened(data)
    for one in order_numbers:
        _show(speaker, platform.ordering.give_up(one))
    return 0


@orders.command("cancel")
@click.argument("order_numbers", nargs=-1, required=True, metavar="ORDER…")
@common
def cancel(order_numbers: tuple[str, ...], data: Path, speaker: Speaker) -> int:
    """取消：未开始的立即取消，进行中的令其停止 / cancel; one under way is stopped."""
    platform = opened(data)
    for one in order_numbers:
        _show(speaker, platform.ordering.cancel(one))
    return 0


@orders.command("retry")
@click.argument("order")
@click.option("--reason", required=True, help="理由，会留存 / why; it is kept")
@common
def retry(order: str, reason: str, data: Path, speaker: Speaker) -> int:
    """重新取证，成为另一份证据 / capture again, as another exhibit."""
    platform = opened(data)
    view = platform.ordering.retry(order, reason)
    return _captured(platform, speaker, [view], [view], "later")


def _show(speaker: Speaker, view: CommissionView) -> None:
    if speaker.as_json:
        click.echo(canonical.encode(view.value()).decode())
        return
    one = view.commission
    speaker.say(
        "cli.order",
        order=one.commission,
        state=say(f"order.state.{view.state}", speaker.language),
        url=legible(one.url),
        exhibit=one.exhibit,
        vantage=one.vantage or "—",
    )


@click.command("compare")
@click.argument("one", metavar="EXHIBIT")
@click.argument("other", metavar="EXHIBIT")
@common
def compare(one: str, other: str, data: Path, speaker: Speaker) -> int:
    """比较两次网页取证；--json 输出报告 / what differs between two captures."""
    octets = opened(data).comparison(one, other)
    if speaker.as_json:
        click.echo(octets.decode())
        return 0
    report = canonical.parse_object(octets)
    for name, code in (
        ("differing", "cli.compare-differs"),
        ("unknown", "cli.compare-unknown"),
    ):
        aspects = report[name]
        if isinstance(aspects, list) and aspects:
            said = (say(f"page.compare.aspect-{one}", speaker.language) for one in aspects)
            speaker.say(code, aspects=tuple(said))
    if not report["differing"]:
        speaker.say("cli.compare-same")
    return 0


COMMANDS = (capture, orders, compare)
