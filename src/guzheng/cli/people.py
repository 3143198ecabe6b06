"""Commands about persons: operator link, sign-out, release."""

import sys
from pathlib import Path

import click

from guzheng.cli.options import common, family, opened
from guzheng.cli.speaking import Speaker
from guzheng.proof import canonical
from guzheng.refusals import Refused

operator = family(
    "operator", "运营者：一次性链接、登录 / the operator: a one-time link, people's sign-ins."
)


@operator.command("link")
@click.option(
    "--address",
    default="http://127.0.0.1:8000",
    show_default=True,
    help="网页的地址，没有设置 public_url 时用 / where the pages are, without public_url",
)
@common
def link(address: str, data: Path, speaker: Speaker) -> int:
    """打印成为运营者的链接：24 小时内有效，只能用一次 / print a link that makes an operator."""
    platform = opened(data)
    if not platform.people.are_on:
        raise Refused("accounts.off", expected="accounts = on", found="off")
    made = platform.people.operator_link(address)
    if speaker.as_json:
        sys.stdout.write(canonical.encode({"link": made}).decode() + "\n")
    else:
        speaker.say("cli.operator-link-more", link=made)
    return 0


@operator.command("sign-out")
@click.argument("address", required=False)
@click.option("--everybody", is_flag=True, help="所有人 / everybody")
@common
def sign_out(
    address: str | None,
    everybody: bool,  # noqa: FBT001 - click passes flags by name
    data: Path,
    speaker: Speaker,
) -> int:
    """让一个人或所有人重新登录 / end the sessions of one person, or of everybody."""
    if (address is None) is not everybody:
        raise click.UsageError("ADDRESS, or --everybody")
    people = opened(data).people
    ended = people.sign_out_everybody() if address is None else people.sign_out(address)
    speaker.say("cli.signed-out", count=ended)
    return 0


@operator.command("release")
@click.argument("address")
@common
def release(address: str, data: Path, speaker: Speaker) -> int:
    """取消一个人的第二步验证和锁定 / take a person's second step and lock off.

    请先用其他办法确认是本人。 / Make sure otherwise who it is.
    """
    opened(data).people.release(address)
    speaker.say("cli.released")
    return 0


COMMANDS = (operator,)
