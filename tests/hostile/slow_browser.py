"""A browser that is asked late: Debian's Chromium behind a program that holds one command.

It stands where a busy machine would: between the capturer and the browser's debugging pipes.
`hold` lets a request for a stream through once the browser told of that many parts of it;
`refuse` spoils it, so that the browser knows no such request, until its answer was told.
"""

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

CHROMIUM, PYTHON = Path("/usr/lib/chromium/chromium"), Path("/usr/bin/python3")

_PROGRAM = """#!/usr/bin/python3 -I
import fcntl, json, os, sys, threading

CHROMIUM, MODE, PARTS = {chromium!r}, {mode!r}, {parts!r}
if "--version" in sys.argv:
    os.execv(CHROMIUM, [CHROMIUM, *sys.argv[1:]])
lock, told, answered, held = threading.Lock(), {{}}, set(), {{}}

def high(fd):
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)

ask_out, ask_in = map(high, os.pipe())
say_out, say_in = map(high, os.pipe())
os.posix_spawn(CHROMIUM, [CHROMIUM, *sys.argv[1:]], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, ask_out, 3), (os.POSIX_SPAWN_DUP2, say_in, 4)])
os.close(ask_out), os.close(say_in)

def messages(fd):
    rest = b""
    while octets := os.read(fd, 1 << 20):
        *whole, rest = (rest + octets).split(b"\\0")
        yield from whole

def write(fd, message):
    octets = memoryview(message + b"\\0")
    while octets:
        octets = octets[os.write(fd, octets):]

def to_browser():
    for message in messages(3):
        with lock:
            write_or_hold(message)
    os._exit(0)

def write_or_hold(message):
    if b'"Network.streamResourceContent"' in message:
        command = json.loads(message)
        name = command["params"]["requestId"]
        if MODE == "hold" and told.get(name, 0) < PARTS:
            held.setdefault(name, []).append(message)
            return
        if MODE == "refuse" and name not in answered:
            command["params"]["requestId"] = "none.such"
            message = json.dumps(command).encode()
    write(ask_in, message)

threading.Thread(target=to_browser, daemon=True).start()
for message in messages(say_out):
    with lock:
        if b'"Network.dataReceived"' in message:
            name = json.loads(message)["params"]["requestId"]
            told[name] = told.get(name, 0) + 1
            if told[name] >= PARTS:
                for one in held.pop(name, ()):
                    write(ask_in, one)
        elif b'"Network.responseReceived"' in message:
            answered.add(json.loads(message)["params"]["requestId"])
    write(4, message)
"""


@contextmanager
def slow_browser(mode: Literal["hold", "refuse"], parts: int = 0) -> Iterator[str]:
    """A program that every user may start."""
    folder = Path(mkdtemp(prefix="slow-browser-"))
    folder.chmod(0o755)
    program = folder / "chromium"
    program.write_text(_PROGRAM.format(chromium=str(CHROMIUM), mode=mode, parts=parts), "utf-8")
    program.chmod(stat.S_IRWXU | 0o055)
    try:
        yield str(program)
    finally:
        shutil.rmtree(folder)
