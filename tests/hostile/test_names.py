"""Who answers for a name: a resolver that flips, others that disagree, are silent, or lie."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.addresses import resolver_address
from guzheng.capturer.tunnel.connection import Connection, Resolution, agreement_of
from guzheng.proof import canonical
from tests.hostile.capturing import ROOT
from tests.hostile.nameserver import Answers, Nameserver, answering

_NAME = "flip.guzheng.test"
# The tunnel, in a mount namespace where the system's resolver is ours.
_SCRIPT = """
import asyncio, sys
from pathlib import Path
from guzheng.proof import canonical
from tests.hostile.tunnelling import egress_for, running
folder, names, resolvers = Path(sys.argv[1]), sys.argv[2].split(","), tuple(sys.argv[5:])
port, times = map(int, sys.argv[3:5])
async def act():
    egress = egress_for(folder, allow="127.0.0.1/32", resolvers=resolvers)
    async with running(egress) as (egress, client):
        for name in names * times:
            await client.ask(client.connect(name, port))
    return egress.connections
found = asyncio.run(act())
sys.stdout.buffer.write(canonical.encode([one.value() for one in found]))
"""


def _ask(
    folder: Path,
    server: Nameserver,
    port: int,
    times: int,
    *others: str,
    names: tuple[str, ...] = (_NAME,),
) -> list[Connection]:
    """Through the tunnel, `times` times, with `server` as the system's resolver."""
    resolv = folder / "resolv.conf"
    resolv.write_text(f"nameserver {server.address}\noptions timeout:5 attempts:2\n")
    done = subprocess.run(
        [
            "unshare", "--mount", "sh", "-c",
            'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" || exit 99; exec "$@"',
            str(resolv), sys.executable, "-c", _SCRIPT, str(folder), ",".join(names), str(port),
            str(times), *others,
        ],
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )  # fmt: skip
    if done.returncode == 99 or b"unshare" in done.stderr:
        pytest.skip("may not mount here")
    assert done.returncode == 0, done.stderr.decode()
    found = canonical.parse(done.stdout)
    assert isinstance(found, list)
    return [Connection.read(one) for one in found]


def _own_address() -> str:
    """One of loopback's sixteen million for each test process: port 53 of it is free."""
    number = os.getpid()
    return f"127.53.{number >> 8 & 255}.{max(number & 255, 2)}"


@contextlib.contextmanager
def _system(first: tuple[str, ...], then: tuple[str, ...] = ()) -> Iterator[Nameserver]:
    """The machine's resolver: it answers `first` once, and something else ever after."""
    with _system_of(lambda _, before: then if before else first) as server:
        yield server


@contextlib.contextmanager
def _system_of(answers: Answers, alias: str = "") -> Iterator[Nameserver]:
    with contextlib.ExitStack() as stack:
        try:
            serving = answering(answers, address=_own_address(), port=53, alias=alias)
            server = stack.enter_context(serving)
        except OSError as error:
            pytest.skip(f"may not listen on port 53 here: {error.strerror}")
        yield server


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        over = threading.Event()
        door.settimeout(0.2)

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    door.accept()[0].close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        over.set()
        thread.join()


def test_a_resolver_that_flips_is_asked_once_and_stays_with_its_answer(
    tmp_path: Path, port: int
) -> None:
    with (
        _system(("127.0.0.1",), ("169.254.169.254", "127.0.0.2")) as system,
        answering(lambda *_: ("127.0.0.3",), authenticated=True) as liar,
        answering(lambda *_: None) as ignorant,
    ):
        others = (liar.spelled, ignorant.spelled)
        found = _ask(tmp_path, system, port, 3, *others)
        assert system.asked == [_NAME]
        assert liar.asked == ignorant.asked == [_NAME]
    assert [one.outcome for one in found] == ["connected"] * 3
    assert {one.peer for one in found} == {"127.0.0.1"}
    for one in found:
        assert one.agreement == "different"
        assert one.resolvers == (
            Resolution("system", ("127.0.0.1",)),
            Resolution(others[0], ("127.0.0.3",), authenticated=True, ttl_seconds=1),
            Resolution(others[1], (), authenticated=False, failure="NXDOMAIN"),
        )


_INSIDE = {
    "metadata.test": ("169.254.169.254", "link-local"),
    "loopback.test": ("127.0.0.2", "loopback"),
    "mapped.test": ("::ffff:127.0.0.1", "ipv4-mapped"),
    "translated.test": ("64:ff9b::7f00:1", "nat64"),
    "local.test": ("fd00::1", "private"),
}


def test_a_name_that_leads_inside_is_refused(tmp_path: Path, port: int) -> None:
    with _system_of(lambda name, _: (_INSIDE[name][0],)) as system:
        found = _ask(tmp_path, system, port, 1, names=tuple(_INSIDE))
    assert [one.host for one in found] == list(_INSIDE)
    for one, (address, reason) in zip(found, _INSIDE.values(), strict=True):
        assert (one.outcome, one.because) == ("refused-address", f"{address}: {reason}")


def test_one_bad_answer_among_good_ones_refuses_the_name(tmp_path: Path, port: int) -> None:
    with _system(("127.0.0.1", "169.254.169.254")) as system:
        (found,) = _ask(tmp_path, system, port, 1)
    assert found.outcome == "refused-address"
    assert found.because == "169.254.169.254: link-local"
    assert set(found.answers) == {"127.0.0.1", "169.254.169.254"}
    assert found.agreement == "unasked"


def test_a_second_resolver_that_is_silent_stops_nothing_and_is_said(
    tmp_path: Path, port: int
) -> None:
    with (
        _system(("127.0.0.1",), ("127.0.0.1",)) as system,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
    ):
        silent.bind(("127.0.0.1", 0))
        spelled = f"127.0.0.1:{silent.getsockname()[1]}"
        (found,) = _ask(tmp_path, system, port, 1, spelled)
    assert found.outcome == "connected"
    assert found.agreement == "unanswered"
    assert found.resolvers[1].failure == "no answer in time"
    assert found.ended_milliseconds is not None
    assert found.ended_milliseconds - found.began_milliseconds < 4000  # nobody waited for it


def test_two_resolvers_that_agree(tmp_path: Path, port: int) -> None:
    with (
        _system(("127.0.0.1",), ("127.0.0.1",)) as system,
        answering(lambda *_: ("127.0.0.1",), authenticated=True) as other,
    ):
        (found,) = _ask(tmp_path, system, port, 1, other.spelled)
    assert found.agreement == "same"
    assert found.resolvers[1].authenticated is True


def test_what_a_name_led_to_and_for_how_long_is_kept(tmp_path: Path, port: int) -> None:
    """The contract of a content network stands in the aliases; the system tells the last."""
    edge = "edge.guzheng.test"
    with (
        _system_of(lambda *_: ("127.0.0.1",), alias=edge) as system,
        answering(lambda *_: ("127.0.0.1",), alias="Other.Guzheng.Test") as other,
    ):
        (found,) = _ask(tmp_path, system, port, 1, other.spelled)
    assert found.outcome == "connected"
    ours, theirs = found.resolvers
    assert (ours.aliases, ours.ttl_seconds) == ((edge,), None)
    assert (theirs.aliases, theirs.ttl_seconds) == (("other.guzheng.test",), 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [
        ((), (), "unasked"),
        (("1.1.1.1",), (("1.1.1.1",),), "same"),
        (("1.1.1.1", "1.0.0.1"), (("1.0.0.1", "1.1.1.1"),), "same"),
        (("1.1.1.1", "1.0.0.1"), (("1.0.0.1",),), "overlapping"),
        (("1.1.1.1",), (("1.1.1.1",), ("9.9.9.9",)), "different"),
        (("1.1.1.1",), ((),), "different"),
        ((), ((),), "same"),
    ],
)
def test_agreement_is_of_sets(
    ours: tuple[str, ...], theirs: tuple[tuple[str, ...], ...], word: str
) -> None:
    said = tuple(Resolution(str(at), one, False) for at, one in enumerate(theirs))
    resolvers = (Resolution("system", ours), *said) if theirs else ()
    assert agreement_of(resolvers) == word
    silent = Resolution("silent", failure="no answer in time")
    assert agreement_of((*resolvers[:1], silent)) == (word if not theirs else "unanswered")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1.1.1.1", ("1.1.1.1", 53)),
        ("127.0.0.1:5300", ("127.0.0.1", 5300)),
        ("[::1]:5300", ("::1", 5300)),
        ("[::1]", ("::1", 53)),
        ("2606:4700::1111", ("2606:4700::1111", 53)),
    ],
)
def test_a_resolver_is_an_address(text: str, found: tuple[str, int]) -> None:
    address, port = resolver_address(text)
    assert (str(address), port) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dns.example",
        "1.1.1.1:",
        "1.1.1.1:0",
        "1.1.1.1:65536",
        "1.1.1.1:x",
        "[::1]x",
        "[::1",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        resolver_address(text)
