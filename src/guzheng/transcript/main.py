"""The command: what it was given, what it found, in words or as JSON, and an exit status.

Exit status: 0 every step passed; 1 at least one failed; 2 none failed and not everything could
be checked; 64 the command was not understood (BSD sysexits.h, EX_USAGE).
"""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.proof.report import Outcome
from guzheng.transcript import container, limits, pcap, sealedkeys, telling, trace
from guzheng.transcript.checking import Examined, examine
from guzheng.transcript.container import Source, open_source
from guzheng.words import LANGUAGES

USAGE = 64
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_EXIT = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKED: 2}


class NotUnderstood(Exception):
    """What the user gave cannot be used; nothing is said of the evidence."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {telling.legible(message)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="guzheng-transcript",
        description="打开网页取证的传输原文，与存档逐一比对。"
        "Open the transcript of a web capture, and compare the archive with it.",
        epilog="退出码 exit status: 0 通过 passed · 1 未通过 failed · "
        "2 无法确定 not everything could be checked · 64 用法 usage",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="PACKAGE|FOLDER",
        help="举证包（zip 或目录）或一份证据的目录 / a court package, or an exhibit's folder",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="浏览器的密钥日志（NSS 格式），或封存日志的口令文件 / "
        "the browser's key log, or a file with the key of the sealed one",
    )
    parser.add_argument(
        "--key",
        metavar="HEX",
        help="封存的密钥日志的口令（64 位十六进制）/ the key of the sealed key log",
    )
    parser.add_argument(
        "--exhibit", metavar="ID", help="包内有多份证据时选哪一份 / which, if there are several"
    )
    _ask_what_is_told(parser)
    return parser


def _ask_what_is_told(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trace",
        metavar="X,Y",
        help="截图上的这一点从何而来 / where this point of the screenshot came from",
    )
    parser.add_argument(
        "--list", action="store_true", help="列出每次交换 / list every exchange as well"
    )
    parser.add_argument(
        "--pcap",
        type=Path,
        metavar="FILE",
        help="写成 pcap，供 Wireshark 打开 / write it as packets, for Wireshark",
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="取证记录不在目录里时，从此文件读 / the capture record, if it lies elsewhere",
    )
    parser.add_argument(
        "--write-trace",
        type=Path,
        metavar="FILE",
        help="写出 trace.json / write the whole trace",
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON / print JSON")
    parser.add_argument(
        "--after-line",
        action="store_true",
        help="标准输入来一行后再开始 / begin when a line has come in",
    )
    parser.add_argument("--lang", choices=LANGUAGES, default="zh", help="语言 / language")


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    sys.exit(status_of(arguments))


def status_of(arguments: Sequence[str] | None = None) -> int:
    """With which the program ends; all that it says has been said."""
    warnings.simplefilter("ignore")  # what a library thinks of a certificate is no verdict
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no Chinese still reads
            stream.reconfigure(errors="backslashreplace")
    try:
        return main(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if given.after_line and not sys.stdin.readline():
        return INTERRUPTED  # whoever started it ahead is gone
    try:
        source = open_source(given.path, given.exhibit)
        try:
            return _answer(given, source)
        finally:
            source.close()
    except (NotUnderstood, ProofError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename}: 读不到 / cannot be read: {error.strerror}")


def _answer(given: argparse.Namespace, source: Source) -> int:
    keys, password = _secrets(given, source)
    record = _file(given.record, limits.RECORD_OCTETS) if given.record else None
    found = examine(source, keys, password, record)
    if given.pcap is not None and found.transcript is not None:
        with given.pcap.open("wb") as out:
            pcap.write(found.transcript, out)
    if given.write_trace is not None and found.trace is not None:
        given.write_trace.write_bytes(trace.encode(found.trace))
    _print(_told(given, found))
    return _EXIT[found.report.outcome]


def _told(given: argparse.Namespace, found: Examined) -> str:
    if given.trace is not None:
        boxes = telling.boxes_under(found, *_point(given.trace))
        if given.json:
            return canonical.encode({"schema": telling.POINT, "boxes": boxes}).decode() + "\n"
        return telling.text_of_boxes(boxes, given.lang)
    if given.json:
        value = telling.value_of(found, with_exchanges=given.list)
        return canonical.encode(value).decode() + "\n"
    return telling.text_of(found, given.lang, with_exchanges=given.list)


def _point(text: str) -> tuple[int, int]:
    left, comma, top = text.partition(",")
    if not comma or not all(
        one.isascii() and one.isdecimal() and len(one) < 9 for one in (left, top)
    ):
        raise NotUnderstood("--trace X,Y: 像素 / pixels of the whole page")
    return int(left), int(top)


def _secrets(given: argparse.Namespace, source: Source) -> tuple[bytes | None, bytes | None]:
    """The key log in clear, or the key of the sealed one: at most one of them."""
    if given.keys is not None and given.key is not None:
        raise NotUnderstood("--keys, --key: 只能给一个 / one of them")
    if given.key is not None:
        password = given.key.encode()
        if not sealedkeys.PASSWORD.fullmatch(password):
            raise NotUnderstood("--key: 64 位小写十六进制 / 64 hexadecimal digits")
        return None, password
    octets = (
        _file(given.keys, limits.KEY_LOG_OCTETS)
        if given.keys
        else source.whole(container.KEY, 1024)
    )
    if octets is not None and sealedkeys.PASSWORD.fullmatch(octets.strip()):
        return None, octets.strip()
    return octets, None


def _file(path: Path, most: int) -> bytes:
    with path.open("rb") as stream:
        octets = stream.read(most + 1)
    if len(octets) > most:
        raise NotUnderstood(f"{path.name}: {most} octets at most")
    return octets


def _complain(text: str) -> int:
    sys.stderr.write(f"guzheng-transcript: {telling.legible(text)}\n")
    return USAGE


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader had enough; the exit status still says what was found
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
