"""The command: follow a log and serve the copy, or one round with --once. It owns no clock.

Exit status: 0 done; 1 refused, the log forked, or the copy is damaged; 64 not understood; 75
(BSD's EX_TEMPFAIL, with --once) the log could not be reached: try again.
"""

import argparse
import contextlib
import fcntl
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from guzheng.cosigner import Refused, files, submission
from guzheng.cosigner.keys import open_cosigner
from guzheng.cosigner.serving import Server
from guzheng.mirror import pushing
from guzheng.mirror.copying import Copy
from guzheng.mirror.fetching import Unreachable, over_http
from guzheng.mirror.paths import ADD_ENTRIES, Paths
from guzheng.proof import instant
from guzheng.proof.errors import ProofError
from guzheng.proof.note import VerifierKey
from guzheng.proof.policy import LOG_TYPES
from guzheng.words import LANGUAGES, Language, say

KEY_FILE = "mirror.key"
USAGE, TRY_AGAIN = 64, 75


class Program:
    def __init__(
        self,
        now: Callable[[], datetime],
        tick: Callable[[], float],
        entropy: Callable[[int], bytes],
        language: Language,
    ) -> None:
        self._now, self._tick, self._entropy, self._language = now, tick, entropy, language

    def tell(self, code: str, facts: dict[str, object]) -> None:
        words = say(code, self._language, **facts)
        shown = "".join(one if one.isprintable() else "?" for one in words)
        sys.stderr.write(f"{instant.encode(self._now())} {code} {shown}\n")
        sys.stderr.flush()

    def run(self, given: argparse.Namespace) -> int:
        keys = _keys(given.vkey)
        if not given.log.startswith(("http://", "https://")):
            raise Refused("mirror.bad-address", found=repr(given.log[:200]))
        if given.check:
            return self._check(given, keys)
        files.make_directory(given.data)
        with _alone(given.data):
            for part in given.data.rglob(f"{files.PART}*"):  # of a run that was killed
                part.unlink()
            copy = self._copy(given, keys)
            if given.once:
                return self._round(copy, given.log)
            self._stay(copy, given)
            return 0

    def _copy(self, given: argparse.Namespace, keys: tuple[VerifierKey, ...]) -> Copy:
        cosigner = open_cosigner(
            given.data / KEY_FILE,
            given.name,
            post_quantum=given.ml_dsa,
            entropy=self._entropy,
        )
        return Copy(given.data / "log", keys, cosigner, self._now, self.tell)

    def _check(self, given: argparse.Namespace, keys: tuple[VerifierKey, ...]) -> int:
        """It writes nothing, so it may run beside the mirror: what a checkpoint needs is there
        before the checkpoint is, and is never taken away."""
        if not (given.data / "log").is_dir() or not (given.data / KEY_FILE).exists():
            raise Refused("mirror.nothing-here", path=given.data)
        self.tell("mirror.checked", {"size": self._copy(given, keys).check()})
        return 0

    def _stay(self, copy: Copy, given: argparse.Namespace) -> None:
        """What is kept is served whatever becomes of the log."""
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        server = self._server(copy, given)
        address = f"http://{given.host}:{server.port}/"
        self.tell("mirror.serving", {"name": copy.cosigner.name, "address": address})
        for vkey in copy.cosigner.vkeys:
            self.tell("mirror.key", {"vkey": vkey})
        with server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            while not ended.is_set():
                self._round(copy, given.log)
                ended.wait(given.interval)
            server.shutdown()

    def _server(self, copy: Copy, given: argparse.Namespace) -> Server:
        if given.pull_only:
            return Server(given.host, given.port, Paths(copy).respond, largest_body=0)
        return Server(
            given.host,
            given.port,
            Paths(copy, pushing.Pushing(copy, self.tell)).respond,
            largest_body=submission.MAX_OCTETS,
            streamed={ADD_ENTRIES: pushing.LARGEST},
        )

    def _round(self, copy: Copy, log: str) -> int:
        try:
            copy.follow(over_http(log, self._tick))
        except Refused as refusal:
            self.tell(refusal.code, refusal.facts)
            return 1
        except (Unreachable, ProofError) as error:
            self.tell("mirror.unreachable", {"found": error})
            return TRY_AGAIN
        except OSError as error:
            self.tell("mirror.not-written", {"found": error})
            return TRY_AGAIN
        return 0


def _keys(vkeys: list[str]) -> tuple[VerifierKey, ...]:
    try:
        keys = tuple(VerifierKey.parse(one) for one in vkeys)
    except ProofError as error:
        raise Refused("mirror.bad-log", found=error.code) from error
    if any(key.type not in LOG_TYPES or key.name != keys[0].name for key in keys):
        raise Refused("mirror.bad-log", found=", ".join(key.name for key in keys))
    return keys


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("mirror.in-use", path=data) from error
        yield


def run(
    arguments: Sequence[str],
    now: Callable[[], datetime],
    tick: Callable[[], float],
    entropy: Callable[[int], bytes],
) -> int:
    given = _parser().parse_args(arguments)
    program = Program(now, tick, entropy, given.lang)
    try:
        return program.run(given)
    except Refused as refusal:
        program.tell(refusal.code, refusal.facts)
        return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="guzheng-mirror",
        description="保存并公布一本日志的完整副本，条目齐备才签名。"
        "Keep and serve a full copy of a log; sign only what is here whole.",
    )
    add = parser.add_argument
    add("--log", required=True, metavar="URL", help="日志的地址 / the log's prefix")
    add(
        "--vkey",
        required=True,
        action="append",
        help="日志公钥，可多个 / the log's key, or keys",
    )
    add("--data", required=True, type=Path, metavar="DIR", help="数据目录 / data")
    add("--name", help="镜像的名称，首次启动时定下 / name, fixed at first start")
    add("--ml-dsa", action="store_true", help="另用 ML-DSA-44 签名 / sign with ML-DSA-44 too")
    add("--once", action="store_true", help="只跟进一次 / one round, no server")
    add("--check", action="store_true", help="重新核对全部副本 / look at every kept file again")
    add("--interval", type=float, default=10.0, metavar="SECONDS", help="间隔 / between rounds")
    add(
        "--pull-only",
        action="store_true",
        help="不接受日志推送 / take nothing that the log pushes",
    )
    add("--host", default="127.0.0.1", help="地址 / address")
    add("--port", type=int, default=7381, help="端口 / port")
    add("--lang", choices=LANGUAGES, default="zh", help="语言 / language")
    return parser
