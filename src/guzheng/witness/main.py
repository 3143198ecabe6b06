"""The command: serve, add-log, show, forks. Clock and chance come from `__main__` alone.

Exit status: 0 done; 1 refused, with the reason; 64 the command was not understood.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from guzheng.cosigner import Refused, files, submission
from guzheng.cosigner.keys import Cosigner, open_cosigner
from guzheng.cosigner.serving import Server
from guzheng.proof import instant
from guzheng.proof.errors import ProofError
from guzheng.proof.note import VerifierKey
from guzheng.proof.policy import LOG_TYPES
from guzheng.witness.memory import FILE, Memory, id_of
from guzheng.witness.paths import Paths
from guzheng.witness.witness import Witness
from guzheng.words import LANGUAGES, Language, say

KEY_FILE = "witness.key"
PORT = 7380
USAGE = 64


class Program:
    def __init__(
        self, now: Callable[[], datetime], entropy: Callable[[int], bytes], language: Language
    ) -> None:
        self._now, self._entropy, self._language = now, entropy, language

    def tell(self, code: str, facts: dict[str, object]) -> None:
        """One line of the log: when, the code, the words. Never a key, never who asked."""
        words = say(code, self._language, **facts)
        shown = "".join(one if one.isprintable() else "?" for one in words)
        sys.stderr.write(f"{instant.encode(self._now())} {code} {shown}\n")
        sys.stderr.flush()

    def serve(self, given: argparse.Namespace) -> int:
        with self._opened(given) as (cosigner, memory):
            self._serve(given, cosigner, memory)
        return 0

    def _serve(self, given: argparse.Namespace, cosigner: Cosigner, memory: Memory) -> None:
        witness = Witness(cosigner, memory, self._now, self.tell)
        paths = Paths(witness, given.prefix)
        server = Server(
            given.host, given.port, paths.respond, largest_body=submission.MAX_OCTETS
        )
        signal.signal(signal.SIGTERM, _end)
        signal.signal(signal.SIGINT, _end)
        address = f"http://{given.host}:{server.port}{given.prefix.rstrip('/')}/"
        self.tell("witness.serving", {"name": cosigner.name, "address": address})
        for vkey in cosigner.vkeys:
            self.tell("witness.key", {"vkey": vkey})
        if not memory.logs():
            self.tell("witness.no-logs", {})
        with server:
            server.serve_forever(poll_interval=0.2)

    def add_log(self, given: argparse.Namespace) -> int:
        try:
            key = VerifierKey.parse(given.vkey)
        except ProofError as error:
            raise Refused("witness.bad-log", found=error.code) from error
        if key.type not in LOG_TYPES:
            raise Refused("witness.bad-log", found=f"type {key.type}")
        with self._opened(given) as (_, memory):
            memory.add_log(key)
        self.tell("witness.watching", {"origin": key.name})
        return 0

    def show(self, given: argparse.Namespace) -> int:
        with self._opened(given) as (cosigner, memory):
            lines = [f"witness {cosigner.name} {one}" for one in cosigner.vkeys]
            for key in memory.logs():
                seen = memory.find_latest(id_of(key.name))
                lines.append(f"log {key} {seen.size if seen else '-'}")
        sys.stdout.write("".join(f"{one}\n" for one in lines))
        return 0

    def forks(self, given: argparse.Namespace) -> int:
        """Each as a file of docs/spec/fork.md, for whoever must know; 1 if there is any."""
        files.make_directory(given.out)
        with self._opened(given) as (_, memory):
            found = 0
            for origin in dict.fromkeys(key.name for key in memory.logs()):
                octets = memory.find_contradiction(id_of(origin))
                if octets is not None:
                    path = given.out / f"{id_of(origin)}.fork"
                    files.put(path, octets)
                    self.tell("witness.fork-written", {"origin": origin, "path": path})
                    found = 1
        return found

    @contextlib.contextmanager
    def _opened(self, given: argparse.Namespace) -> Iterator[tuple[Cosigner, Memory]]:
        """The memory is made before the key: a key without memory is a witness that forgot."""
        directory: Path = given.data
        key = directory / KEY_FILE
        if given.name is None and not key.exists():
            raise Refused("cosigner.no-name")
        if not directory.is_dir():
            files.make_directory(directory.parent)
            directory.mkdir(mode=0o700)
        memory = Memory(directory / FILE, may_be_made=not key.exists())
        with contextlib.closing(memory):
            files.sync(directory)
            yield (
                open_cosigner(
                    key, given.name, post_quantum=given.ml_dsa, entropy=self._entropy
                ),
                memory,
            )


def run(
    arguments: Sequence[str], now: Callable[[], datetime], entropy: Callable[[int], bytes]
) -> int:
    given = _parser().parse_args(arguments)
    program = Program(now, entropy, given.lang)
    try:
        match given.command:
            case "serve":
                return program.serve(given)
            case "add-log":
                return program.add_log(given)
            case "forks":
                return program.forks(given)
            case _:
                return program.show(given)
    except Refused as refusal:
        program.tell(refusal.code, refusal.facts)
        return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="guzheng-witness",
        description="见证一本日志：只为没有改写过的检查点联署。"
        "Witness a log: cosign only checkpoints that rewrite nothing.",
    )
    common = _Parser(add_help=False)
    common.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="数据目录 / data"
    )
    common.add_argument(
        "--name", help="见证人的名称，首次启动时定下 / name, fixed at first start"
    )
    common.add_argument(
        "--ml-dsa", action="store_true", help="另用 ML-DSA-44 联署 / cosign with ML-DSA-44 too"
    )
    common.add_argument("--lang", choices=LANGUAGES, default="zh", help="语言 / language")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    serve = commands.add_parser("serve", parents=[common], help="启动 / start")
    serve.add_argument("--host", default="127.0.0.1", help="地址 / address")
    serve.add_argument("--port", type=int, default=PORT, help="端口 / port")
    serve.add_argument("--prefix", default="", help="路径前缀 / prefix of every path")
    add = commands.add_parser("add-log", parents=[common], help="见证这本日志 / watch a log")
    add.add_argument("vkey", metavar="VKEY", help="日志公钥 / the log's key")
    forks = commands.add_parser(
        "forks", parents=[common], help="写出日志分叉的证明 / write proofs that a log forked"
    )
    forks.add_argument("--out", type=Path, required=True, metavar="DIR", help="目录 / folder")
    commands.add_parser("show", parents=[common], help="公钥与日志 / keys and logs")
    return parser


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
