"""Commands of keys: keys list, rotate, request, issue, install."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from guzheng import config
from guzheng.app import signing, system_entropy, system_now
from guzheng.cli.options import common, family, opened
from guzheng.cli.speaking import Speaker
from guzheng.fix.rotation import Generation
from guzheng.proof import canonical, instant
from guzheng.refusals import Refused
from guzheng.words import find_words

_MARKS = {"signing": "✓", "later": "·", "earlier": "·", "expiring": "!", "expired": "✗"}
_MAX_PEM = 64 * 1024
_AT = click.option(
    "--at",
    "begins",
    help="何时起用，如 2027-01-01T00:00:00Z；默认立即 / from when it signs; else at once",
)


keys = family("keys", "时间戳密钥：查看、轮换 / the keys of timestamps: list, rotate.")


@keys.command("list")
@common
def listed(data: Path, speaker: Speaker) -> int:
    """每张证书：用途、期限、密钥在何处 / every certificate: use, end, place of its key."""
    platform = opened(data)
    views = signing.views(data, platform.now(), platform.config.tsa_warn_days)
    for one in views:
        if speaker.as_json:
            line = {
                "role": one.role,
                "number": one.number,
                "kind": one.kind,
                "place": one.place,
                "state": one.state,
                "begins_at": instant.encode(one.begins_at),
                "ends_at": instant.encode(one.ends_at),
                "sha256": one.fingerprint,
            }
            sys.stdout.write(canonical.encode(line).decode() + "\n")
        else:
            speaker.say(
                "cli.key",
                mark=_MARKS[one.state],
                role=find_words(f"keys.role-{one.role}", speaker.language),
                number=one.number or "",
                kind=one.kind,
                place=find_words(f"keys.place-{one.place}", speaker.language),
                state=find_words(f"keys.state-{one.state}", speaker.language),
                begins=f"{one.begins_at:%Y-%m-%d}",
                ends=f"{one.ends_at:%Y-%m-%d}",
                fingerprint=one.fingerprint[:16],
            )
    return 1 if any(one.state in {"expiring", "expired"} for one in views) else 0


@keys.command("rotate")
@_AT
@click.option("--sm2", is_flag=True, help="国密机构的密钥 / that of the SM2 authority")
@common
def rotate(
    begins: str | None,
    sm2: bool,  # noqa: FBT001 - click passes flags by name
    data: Path,
    speaker: Speaker,
) -> int:
    """换用下一把密钥（根密钥在本机时） / take up the next key (where the root's key is)."""
    settings, now = opened(data).config, system_now()
    turn = signing.rotate_sm2 if sm2 else signing.rotate
    made = turn(settings, now=now, begins_at=_instant(begins) or now, entropy=system_entropy)
    return _taken(made, speaker)


@keys.command("request")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@common
def request(out: Path, data: Path, speaker: Speaker) -> int:
    """生成下一把密钥并导出证书请求（根密钥离线时） / make the next key, write its request."""
    _write(out, signing.request(opened(data).config, system_entropy))
    speaker.note("cli.key-requested", path=str(out))
    return 0


@keys.command("issue")
@click.argument("asked", metavar="REQUEST", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@common
def issue(asked: Path, out: Path, data: Path, speaker: Speaker) -> int:
    """在保管根密钥的机器上签发证书 / issue the certificate, where the root's key is kept."""
    settings = config.load(data)
    pem = signing.issue(settings, _octets_of(asked), system_now(), system_entropy)
    _write(out, pem)
    speaker.note("cli.key-issued", path=str(out))
    return 0


@keys.command("install")
@click.argument("certificate", type=click.Path(path_type=Path, dir_okay=False))
@_AT
@common
def install(certificate: Path, begins: str | None, data: Path, speaker: Speaker) -> int:
    """装入取得的证书并起用其密钥 / take in the certificate, and its key into use."""
    settings = opened(data).config
    made = signing.install(
        settings, _octets_of(certificate), _instant(begins) or system_now(), system_entropy
    )
    return _taken(made, speaker)


def _taken(made: Generation, speaker: Speaker) -> int:
    speaker.note(
        "cli.key-taken",
        number=made.number,
        begins=instant.encode(made.begins_at),
        ends=instant.encode(made.certificate.not_valid_after_utc),
    )
    return 0


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Refused(
            "cli.time-refused",
            expected="a time with its zone, such as 2027-01-01T00:00:00Z",
            found=repr(text[:60]),
            act="give the time so",
        )
    return found.astimezone(UTC)


def _write(path: Path, octets: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(octets)
    except OSError as error:
        raise Refused(
            "cli.file-unwritable",
            expected="a file that does not exist yet, in a folder that can be written",
            found=f"{path}: {error.strerror}",
            act="give another file",
        ) from error


def _octets_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_PEM)
    except OSError as error:
        raise Refused(
            "cli.file-unreadable",
            expected="a file that can be read",
            found=f"{path}: {error.strerror}",
            act="give another file",
        ) from error


COMMANDS = (keys,)
