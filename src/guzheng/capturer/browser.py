"""One virgin Chromium for one job: found, caged, started, and gone without trace.

The profile is a directory made for the job and empty at the start. The sandbox is tried from
the strongest form down: user namespaces (with no new privileges), then Debian's setuid helper;
only if Chromium itself says that neither can work is it started without, and the record then
says `off` and why. Killing is by process group, and by uid where the uid is the job's own.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from guzheng.capturer.devtools import CommandRefused, Devtools, Values, inner, text
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.flags import NO_SANDBOX
from guzheng.capturer.jobuser import kill_members
from guzheng.capturer.limits import DIAGNOSIS_OCTETS, START_SECONDS, STOP_SECONDS

_PLACES = (  # the programs themselves before the shell scripts that start them
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/snap/bin/chromium",
)
_BEHIND_SCRIPT = {"/usr/bin/chromium": _PLACES[0], "/usr/bin/google-chrome": _PLACES[2]}
_SANDBOX_WORDS = (
    "sandbox",
    "namespace",
    "zygote",
    "setuid",
    "unshare",  # what gives root another name
    "Operation not permitted",
)
_LOG_PREFIX = re.compile(r"^\[[^\]]*\]\s*")  # process, time and place in Chromium's source
_NAME = 1000  # any but 0
EventListener = Callable[[str, Values, str], None]


def find_chromium(wanted: str) -> Path:
    """The program to start. Raises CaptureFailed and says what to install."""
    for place in (wanted,) if wanted else _PLACES:
        path = Path(_BEHIND_SCRIPT.get(place, place))
        if not path.is_file():
            path = Path(place)
        if path.is_file() and os.access(path, os.X_OK):
            return path.resolve()
    raise CaptureFailed(
        "capture.no-browser",
        expected="Chromium (on Debian and Ubuntu: apt-get install chromium fonts-noto-cjk)",
        found=f"no program at {wanted or ', '.join(_PLACES)}",
        act="the operator",
    )


async def major_version_of(binary: Path) -> int | None:
    """What `--version` says; None if it says nothing of the kind (the start will tell why)."""
    try:
        asked = await asyncio.create_subprocess_exec(
            binary,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        said, _ = await asyncio.wait_for(asked.communicate(), START_SECONDS)
    except TimeoutError:
        asked.kill()
        return None
    found = re.search(rb"(\d+)\.\d+\.\d+\.\d+", said)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`kind` is namespace, setuid or off; `why` says why not the one above it."""

    kind: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}" if self.why else self.kind


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that decides how the browser is started."""

    binary: Path
    flags: tuple[str, ...]
    job_folder: Path
    uid: int
    own_uid: int
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()  # takes it into its network namespace


@dataclass(slots=True)
class Browser:
    """A running browser. `stop` may be called twice, and from another thread."""

    launch: Launch
    sandbox: Sandbox
    group: int
    devtools: Devtools
    pipes: tuple[int, int]
    product: str = ""
    user_agent: str = ""

    def stop(self) -> None:
        """Kill, and wait until nothing of it is left."""
        self.devtools.close()
        kill_group(self.group, self.launch.uid, self.launch.own_uid)


async def start(launch: Launch, listen: EventListener) -> Browser:
    """Raises CaptureFailed when no form of it comes up."""
    forms = [Sandbox("namespace")]
    if shutil.which("setpriv") is None and launch.uid != launch.own_uid:
        forms = [Sandbox("off", "root, and no setpriv to become another user")]
    else:
        forms += [Sandbox("setuid"), Sandbox("off")]
    why = ""
    for form in forms:
        sandbox = Sandbox(form.kind, form.why or why)
        browser = _spawn(launch, sandbox, listen)
        try:
            await _greet(browser)
        except (CaptureFailed, TimeoutError, CommandRefused):
            browser.stop()
            why = _last_words(launch.job_folder)
            if not any(word in why for word in _SANDBOX_WORDS):
                break
        except BaseException:
            browser.stop()
            raise
        else:
            return browser
    raise CaptureFailed(
        "capture.browser-died",
        expected="a browser that starts",
        found=why or "it ended without a word",
        act="the operator",
    )


async def _greet(browser: Browser) -> None:
    devtools = browser.devtools
    await devtools.open(*browser.pipes)
    version = await devtools.call("Browser.getVersion", seconds=START_SECONDS)
    browser.product = f"Chromium {text(version, 'product').rpartition('/')[2]}"
    browser.user_agent = text(version, "userAgent")


def _spawn(launch: Launch, sandbox: Sandbox, listen: EventListener) -> Browser:
    command = [str(launch.binary), *launch.flags]
    if sandbox.kind == "off":
        command.append(NO_SANDBOX)
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        command = [setpriv, *_privileges(launch, sandbox), "--", *command]
    command = [*launch.prefix, *_other_name(launch, sandbox), *command]
    theirs_in, ours_out = _pipe()
    ours_in, theirs_out = _pipe()
    words = launch.job_folder / "stderr.txt"
    try:
        group = os.posix_spawn(
            command[0],
            command,
            dict(launch.environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                (
                    os.POSIX_SPAWN_OPEN,
                    2,
                    str(words),
                    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                    0o600,
                ),
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGTERM, signal.SIGINT],
        )
    except OSError as error:
        for fd in (ours_in, ours_out):
            os.close(fd)
        raise CaptureFailed(
            "capture.no-browser",
            expected="a program that can be started",
            found=f"{command[0]}: {error.strerror}",
            act="the operator",
        ) from error
    finally:
        os.close(theirs_in)
        os.close(theirs_out)
    return Browser(launch, sandbox, group, Devtools(listen), (ours_in, ours_out))


def _other_name(launch: Launch, sandbox: Sandbox) -> list[str]:
    """Chromium refuses to be root. Where root is the only user there is (a container without
    root outside, user_namespaces(7)), a namespace within gives the same user another name."""
    program = shutil.which("unshare")
    if launch.uid != 0 or sandbox.kind == "off" or program is None:
        return []
    return [program, "--user", f"--map-user={_NAME}", f"--map-group={_NAME}", "--"]


def _privileges(launch: Launch, sandbox: Sandbox) -> list[str]:
    options = ["--pdeathsig", "KILL"]  # if we are killed, so is it
    if sandbox.kind != "setuid":
        options.append("--no-new-privs")
    if launch.uid != launch.own_uid:
        options += [f"--reuid={launch.uid}", f"--regid={launch.uid}", "--clear-groups"]
        options += ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    return options


def _pipe() -> tuple[int, int]:
    """Both ends above 10, so that making 3 and 4 of them can overwrite neither."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in low)
    for fd in low:
        os.close(fd)
    return high[0], high[1]


def _last_words(job_folder: Path) -> str:
    try:
        octets = (job_folder / "stderr.txt").read_bytes()[-DIAGNOSIS_OCTETS:]
    except OSError:
        return ""
    lines = octets.decode("utf-8", "replace").splitlines()
    telling = [line for line in lines if any(word in line for word in _SANDBOX_WORDS)]
    words = " ".join((telling or lines[-1:] or [""])[0].split())
    return _LOG_PREFIX.sub("", words)[:300]


def kill_group(group: int, uid: int, own_uid: int) -> None:
    """SIGKILL until nothing is left; reap our own child."""
    waited, pause, reaped = 0.0, 0.005, False
    while waited < STOP_SECONDS:
        # Not permitted: a setuid helper on its way out.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        try:
            reaped = reaped or os.waitpid(group, os.WNOHANG)[0] == group
        except ChildProcessError:
            reaped = True
        # While the first of them is on its way out, so are others; and to look at all that
        # runs here, as must be done once it is gone, costs most.
        if reaped and not kill_members(group, uid if uid != own_uid else None):
            return
        _pause(pause)
        waited, pause = waited + pause, min(2 * pause, 0.1)
    kill_members(group, uid if uid != own_uid else None)


def _pause(seconds: float) -> None:
    signal.sigtimedwait([], seconds)


async def observed_cage(devtools: Devtools) -> dict[str, object]:
    """What the kernel says of the processes that run page code (proc(5))."""
    answer = await devtools.call("SystemInfo.getProcessInfo")
    counts = {"renderers": 0, "seccomp_filtered": 0, "own_namespace": 0}
    no_new_privileges = False
    processes = answer.get("processInfo")
    for one in processes if isinstance(processes, list) else []:
        if not isinstance(one, dict) or one.get("type") not in {"renderer", "browser"}:
            continue
        status = await asyncio.to_thread(_status_of, one.get("id"))
        if one.get("type") == "browser":
            no_new_privileges = status.get("NoNewPrivs") == "1"
            continue
        counts["renderers"] += 1
        counts["seccomp_filtered"] += status.get("Seccomp") == "2"
        counts["own_namespace"] += len(status.get("NSpid", "").split()) > 1
    return {**counts, "no_new_privileges": no_new_privileges}


_SEEN = """({
  webdriver: navigator.webdriver, user_agent: navigator.userAgent,
  platform: navigator.platform, languages: [...navigator.languages],
  plugins: navigator.plugins.length, processors: navigator.hardwareConcurrency,
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone})"""


async def seen_by_pages(devtools: Devtools, session: str) -> dict[str, object]:
    """What the blank page is told of this browser: nothing is hidden but its name."""
    answer = await devtools.call(
        "Runtime.evaluate", {"expression": _SEEN, "returnByValue": True}, session
    )
    return {**inner(answer, "result", "value")}


def _status_of(pid: object) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
