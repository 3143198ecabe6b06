"""What the command was given: which evidence, and whom its user believes."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from cryptography import x509

from guzheng.proof import cms, instant, package, policy
from guzheng.proof.digest import hash_of
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.policy import LedgerPolicy
from guzheng.verifier.words_of import legible

USAGE = 64
_MOST_AUTHORITIES = 64
_T = TypeVar("_T")


class NotUnderstood(Exception):
    """What the user gave cannot be used; nothing is said of the evidence."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be checked, and whom the user believes; all of it was readable."""

    path: Path
    token: Path | None = None
    hashes: dict[str, bytes] | None = None  # instead of a file: `path` is then the token
    roots: tuple[x509.Certificate, ...] | None = None
    ledger: LedgerPolicy | None = None
    with_sm3: bool = False
    fork: bool = False  # the file is said to prove that a log forked
    authorities: int = 1  # how many distinct ones must attest each manifest
    judged_at: datetime | None = None  # whether it still stands then is asked, too


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {legible(message)}\n")


def _positive(text: str) -> int:
    value = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= value <= _MOST_AUTHORITIES:
        raise argparse.ArgumentTypeError(f"1 … {_MOST_AUTHORITIES}")
    return value


def parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="guzheng-verify",
        description="核验证据包、证据目录，或文件与其 .tsa。"
        "Check a package, an exhibit's folder, or a file and its .tsa.",
        epilog="退出码 exit status: 0 通过 passed · 1 未通过 failed · "
        "2 无法确定 not everything could be checked · 64 用法 usage",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="证据包（zip 或目录）、证书 PDF，或原始文件；- 则从标准输入读一行路径 / "
        "package, folder, certificate, or file; - takes the path from a line of standard input",
    )
    parser.add_argument(
        "token",
        type=Path,
        nargs="?",
        metavar="TOKEN.tsa",
        help="原始文件的时间戳 / the file's timestamp",
    )
    _ask_whom_to_believe(parser)
    parser.add_argument(
        "--digest",
        metavar="sha256:HEX",
        help="以指纹代替文件；此时 PATH 是 .tsa / "
        "a digest instead of the file; PATH is then the .tsa",
    )
    parser.add_argument(
        "--fork",
        action="store_true",
        help="PATH 是日志分叉的证明，须给 --policy / PATH proves a log's fork; needs --policy",
    )
    parser.add_argument(
        "--sm3", action="store_true", help="同时重算 SM3（较慢）/ recompute SM3 too (slower)"
    )
    parser.add_argument(
        "--at",
        metavar="DATE",
        help="另问到这一天（UTC）是否仍可采信，如 2040-01-01 / "
        "also ask whether it still stands on that day (UTC)",
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON / print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 / language")
    return parser


def _ask_whom_to_believe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--roots",
        type=Path,
        metavar="PEM",
        help="您信任的根证书，取代包内所带 / roots that you believe, instead of the package's",
    )
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="您信任的账本（C2SP tlog-policy）/ the ledger that you believe",
    )
    parser.add_argument(
        "--authorities",
        type=_positive,
        default=1,
        metavar="N",
        help="清单须由几家彼此独立的可信时间戳机构作证（默认 1）/ "
        "how many distinct authorities that you believe must attest a manifest",
    )


def question_of(given: argparse.Namespace) -> Question:
    """Raises NotUnderstood, and OSError where there is nothing of that name."""
    if given.digest is not None and given.token is not None:
        raise NotUnderstood("--digest: PATH 即为 .tsa / PATH is then the .tsa, and no TOKEN is")
    paths: tuple[Path | None, ...] = (given.path, given.token, given.roots, given.policy)
    for path in paths:
        if path is not None:
            path.stat()  # raises OSError, with the name
    return Question(
        path=given.path,
        token=given.token,
        hashes=_given("--digest", lambda: _digest(given.digest), given.digest),
        roots=_given("--roots", lambda: policy.parse_roots(bounded(given.roots)), given.roots),
        ledger=_given(
            "--policy",
            lambda: policy.parse_ledger_policy(bounded(given.policy)),
            given.policy,
        ),
        with_sm3=given.sm3,
        fork=given.fork,
        authorities=given.authorities,
        judged_at=_given("--at", lambda: instant.parse(f"{given.at}T00:00:00.000Z"), given.at),
    )


def _given(option: str, parse: Callable[[], _T], value: object) -> _T | None:
    """What the user states must be usable: a fault in it is no fault of the evidence."""
    if value is None:
        return None
    try:
        return parse()
    except ProofError as error:
        raise NotUnderstood(f"{option}: {error}") from error


def _digest(text: str) -> dict[str, bytes]:
    name, _, digits = text.partition(":")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if name not in cms.DIGESTS.values() or len(value) != len(hash_of(name, b"")):
        raise Malformed(
            "digest.malformed", expected="sha256:<64 hexadecimal digits>", found=text[:80]
        )
    return {name: value}


def bounded(path: Path) -> bytes:
    """A paper, read to its end; no honest one is longer than they may be."""
    with path.open("rb") as stream:
        octets = stream.read(package.MAX_PAPER + 1)
    if len(octets) > package.MAX_PAPER:
        raise Malformed(
            "package.paper-too-large",
            expected=f"at most {package.MAX_PAPER} octets",
            found=path.name,
        )
    return octets
