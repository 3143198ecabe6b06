"""Commands about accounts: accounts grant, end, show.

Whoever has the shell of an installation operates it: what he grants is written down without a
person's number, with the source and the reason he gives."""

import sys
from pathlib import Path

import click

from guzheng.accounts import SEAT
from guzheng.accounts.entitlements import KINDS, Grant
from guzheng.app.entitling import EntitlementView, end_of_day, units_of
from guzheng.cli.options import common, family, opened
from guzheng.cli.speaking import Speaker
from guzheng.proof import canonical, instant

accounts = family(
    "accounts", "账号的版本与次数：授权、查看 / editions and units of accounts: grant, show."
)


@accounts.command("grant")
@click.argument("account")
@click.option("--edition", default="", help="版本 / edition, as in docs/operate/editions.md")
@click.option(
    "--units",
    default="",
    help="次数；默认为版本自带的次数；不限填 none / units; as many as the edition has",
)
@click.option("--kind", type=click.Choice(KINDS), required=True, help="来源类型 / how it came")
@click.option(
    "--source",
    required=True,
    help="来源，如订单号 / its source, such as the number of an order",
)
@click.option("--reason", required=True, help="理由 / the reason, which is kept")
@click.option(
    "--expires", default="", help="到期日 YYYY-MM-DD，默认长期 / its last day (UTC+08:00)"
)
@click.option(
    "--number",
    default="",
    help="授权编号，重复执行只授一次 / its number gr_…, to grant it once",
)
@common
def grant(
    account: str,
    edition: str,
    units: str,
    kind: str,
    source: str,
    reason: str,
    expires: str,
    number: str,
    data: Path,
    speaker: Speaker,
) -> int:
    """给账号开通版本、增加次数 / give an account an edition, or units."""
    entitlements = opened(data).entitlements
    made = entitlements.grant(
        SEAT,
        account,
        kind,
        source,
        reason,
        edition=edition,
        units=units_of(units, edition, entitlements.editions),
        expires_at=end_of_day(expires),
        token=number,
    )
    _show_grant(speaker, made)
    return 0


@accounts.command("end")
@click.argument("number")
@click.option("--reason", required=True, help="理由 / the reason, which is kept")
@common
def end(number: str, reason: str, data: Path, speaker: Speaker) -> int:
    """提前结束一项授权 / end a grant before its time."""
    account = opened(data).entitlements.end(SEAT, number, reason)
    _show(speaker, opened(data).entitlements.view(account))
    return 0


@accounts.command("show")
@click.argument("account")
@common
def show(account: str, data: Path, speaker: Speaker) -> int:
    """显示一个账号的版本、次数和授权 / show an account's edition, units and grants."""
    _show(speaker, opened(data).entitlements.view(account))
    return 0


def _show(speaker: Speaker, view: EntitlementView) -> None:
    if speaker.as_json:
        value: dict[str, object] = {
            "account": view.account,
            "edition": view.standing.edition.edition,
            "functions": sorted(view.standing.functions),
            "held": view.quota.held,
            "spent": view.quota.spent,
            "grants": [_value(one) for one in view.grants],
        }
        if view.left is not None:
            value["left"] = view.left
        sys.stdout.write(canonical.encode(value).decode() + "\n")
        return
    speaker.say(
        "cli.accounts-edition",
        account=view.account,
        edition=view.standing.edition.edition,
        left="∞" if view.left is None else view.left,
        held=view.quota.held,
        spent=view.quota.spent,
    )
    for one in view.grants:
        _show_grant(speaker, one)


def _show_grant(speaker: Speaker, one: Grant) -> None:
    if speaker.as_json:
        sys.stdout.write(canonical.encode(_value(one)).decode() + "\n")
        return
    speaker.say(
        "cli.accounts-grant",
        number=one.grant,
        edition=one.edition or "-",
        units="∞" if one.units is None else one.units,
        kind=one.kind,
        source=one.source,
        expires=instant.encode(one.expires_at) if one.expires_at else "-",
    )


def _value(one: Grant) -> dict[str, object]:
    """As programs are told it; what is empty is left out. No units: no limit."""
    value: dict[str, object] = {
        "grant": one.grant,
        "account": one.account,
        "kind": one.kind,
        "source": one.source,
        "reason": one.reason,
        "granted_at": instant.encode(one.granted_at),
    }
    if one.units is not None:
        value["units"] = one.units
    if one.edition:
        value["edition"] = one.edition
    for name, at in (("expires_at", one.expires_at), ("ended_at", one.ended_at)):
        if at is not None:
            value[name] = instant.encode(at)
    return value


COMMANDS = (accounts,)
