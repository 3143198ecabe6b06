"""Who is asked for the time: real NTP on loopback, a real chronyd, this machine's kernel."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.app import system_tick
from guzheng.fix.clock import (
    PRODUCTION,
    Change,
    Gate,
    Limits,
    Memory,
    Sources,
    Standing,
    Timing,
    adjtimex,
    chrony,
    ntp,
)
from guzheng.fix.clock.adjtimex import KernelClock
from guzheng.fix.clock.rules import Claim, Tick, agree
from guzheng.refusals import Unavailable
from tests.ntp import NtpServer, ntp_server, wire

MOST = 1_000_000
SLACK = 0.3  # this machine may be slow between two looks at its clock


def asked(server: NtpServer, *, timeout_seconds: float = 10.0) -> Claim:
    return ntp.ask(
        server.address,
        timeout_seconds=timeout_seconds,
        ticks=system_tick,
        entropy=os.urandom,
    )


def sources(*servers: NtpServer, **others: object) -> Sources:
    given_ = {"kernel": None, "most": MOST} | others
    return Sources(
        [one.address for one in servers],
        system_tick,
        os.urandom,
        **given_,  # type: ignore[arg-type]
    )


def reason(question: object) -> str:
    with pytest.raises(Unavailable) as refused:
        question()  # type: ignore[operator]
    assert refused.value.code == "clock.source-silent"
    return refused.value.found


# ------------------------------------------------------------------------------------ NTP


@pytest.mark.parametrize("offset", [0.0, 5.0, -5.0, 86_400.0, -3e8])
def test_a_server_is_believed_within_what_it_says(offset: float) -> None:
    with ntp_server(offset_seconds=offset) as server:
        claim = asked(server)
    assert abs(claim.offset / 1e6 - offset) <= claim.uncertainty / 1e6 + 1e-3
    assert 1_500 <= claim.uncertainty < SLACK * 1e6
    assert not claim.leap


def test_the_distance_of_its_reference_counts() -> None:
    with ntp_server(root_delay=0.2, root_dispersion=0.3) as server:
        assert asked(server).uncertainty >= 400_000


@pytest.mark.parametrize("leap", [1, 2])
def test_it_announces_a_leap_second(leap: int) -> None:
    with ntp_server(leap=leap) as server:
        assert asked(server).leap


@pytest.mark.parametrize(
    ("mood", "found"),
    [
        ({"mood": "forged"}, "another question"),
        ({"mood": "wrong-mode"}, "another question"),
        ({"mood": "unsynchronised"}, "not synchronised"),
        ({"stratum": 16}, "not synchronised"),
        ({"mood": "short"}, "20 octets"),
        ({"mood": "kiss-INIT"}, "INIT"),
        ({"root_dispersion": 2.0}, "wrong by"),
        ({"root_delay": 4.0}, "wrong by"),
    ],
)
def test_what_cannot_be_believed_is_not(mood: dict[str, object], found: str) -> None:
    with ntp_server(**mood) as server:
        assert found in reason(lambda: asked(server))


def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    with ntp_server(mood="silent") as server:
        assert "timed out" in reason(lambda: asked(server, timeout_seconds=0.2))
    gone = NtpServer(server.address)
    assert gone.address in reason(lambda: asked(gone, timeout_seconds=5))
    assert reason(lambda: asked(NtpServer("no such name."), timeout_seconds=5))


@pytest.mark.parametrize("kiss", ["RATE", "DENY", "RSTR"])
def test_a_kiss_is_heard(kiss: str) -> None:
    with ntp_server(mood=f"kiss-{kiss}") as server, pytest.raises(ntp.Kissed) as kissed:
        asked(server)
    assert kissed.value.kiss == kiss


def test_a_kiss_from_who_did_not_see_the_question_silences_nobody() -> None:
    tick = Tick(0, 0, 0, "")
    octets = bytes([0xE4, 0]) + bytes(10) + b"DENY" + bytes(32)
    with pytest.raises(Unavailable) as refused:
        ntp.conclude("a", octets, cookie=7, asked=tick, came=tick)
    assert not isinstance(refused.value, ntp.Kissed)


@given(st.binary(max_size=80), st.integers(0, 2**64 - 1))
def test_any_octets_are_an_answer_or_a_reason(octets: bytes, cookie: int) -> None:
    tick = Tick(1_800_000_000_000_000, 0, 0, "")
    for sent in (octets, octets[:24] + cookie.to_bytes(8, "big") + octets[32:]):
        try:
            claim = ntp.conclude("a", sent, cookie=cookie, asked=tick, came=tick)
        except Unavailable:
            continue
        assert 0 <= claim.uncertainty <= ntp.LARGEST_DISTANCE


def test_the_next_era_is_as_good() -> None:
    """2**32 s after 1900, in February 2036, NTP's clocks begin at nought again."""
    new_era = 2**32 - 2_208_988_800
    for at in (new_era - 1, new_era, new_era + 1):
        asked_at = Tick(at * 1_000_000, 0, 0, "")
        came = replace(asked_at, boottime=20_000)
        octets = ntp._PACKET.pack(
            *(4 << 3 | 4, 2, 6, -20, 0, 0, bytes(4)),
            *(wire(at - 9), 77, wire(at + 2.01), wire(at + 2.01)),
        )
        claim = ntp.conclude("a", octets, cookie=77, asked=asked_at, came=came)
        assert abs(claim.offset - 2_000_000) < 10
        assert 10_000 <= claim.uncertainty < 10_010


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ntp.ntsc.ac.cn", ("ntp.ntsc.ac.cn", 123)),
        ("10.0.0.1:1234", ("10.0.0.1", 1234)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]:1234", ("2001:db8::1", 1234)),
        ("[2001:db8::1]", ("2001:db8::1", 123)),
    ],
)
def test_a_server_has_a_name_and_perhaps_a_port(text: str, address: tuple[str, int]) -> None:
    assert ntp.address_of(text) == address


@pytest.mark.parametrize("text", ["", ":123", "a:b", "a:0", "a:70000", "a:¹²³"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(ValueError, match="not a server"):
        ntp.address_of(text)


# ------------------------------------------------------------------------------ all at once


def test_all_are_asked_at_once_and_the_liar_is_found() -> None:
    with ExitStack() as stack:
        well = [stack.enter_context(ntp_server()) for _ in range(3)]
        liar = stack.enter_context(ntp_server(offset_seconds=5))
        mute = stack.enter_context(ntp_server(mood="silent"))
        rude = stack.enter_context(ntp_server(mood="kiss-RATE"))
        heard = sources(*well, liar, mute, rude).ask(frozenset(), timeout_seconds=6)
        assert [one.source for one in heard.claims] == [one.address for one in (*well, liar)]
        assert set(heard.silent) == {mute.address, rude.address}
        assert heard.resting == {rude.address: 1_024_000_000}
        found = agree(heard.claims)
        assert found is not None
        assert found.false == (liar.address,)
        before = rude.asked
        sources(*well, rude).ask(frozenset({rude.address}), timeout_seconds=6)
        assert rude.asked == before


def test_nobody_there_costs_the_time_that_was_allowed_and_no_more() -> None:
    with ntp_server(mood="silent") as one, ntp_server(mood="silent") as other:
        started = time.monotonic()
        heard = sources(one, other).ask(frozenset(), timeout_seconds=0.5)
        assert not heard.claims
        assert time.monotonic() - started < 30  # one after the other, on a busy machine


# ------------------------------------------------------------------------------ the kernel


def test_this_machines_kernel_answers_or_says_why_not() -> None:
    kernel = adjtimex.read_kernel()
    assert 0 <= kernel.state <= 5
    try:
        assert adjtimex.claim_of(kernel, most=MOST).uncertainty >= adjtimex.LEAST_ERROR
    except Unavailable as error:
        assert error.code == "clock.source-silent"


WELL = KernelClock(state=0, bits=0x2001, largest_error=20_000, pending=300)


def test_a_synchronised_kernel_is_believed_within_its_largest_error() -> None:
    assert adjtimex.claim_of(WELL, most=MOST) == Claim("kernel", 0, 120_300)
    # systemd-timesyncd says nought, and is not believed
    nought = replace(WELL, largest_error=0, pending=0)
    assert adjtimex.claim_of(nought, most=MOST).uncertainty == 100_000


@pytest.mark.parametrize(
    "kernel",
    [
        replace(WELL, state=5),
        replace(WELL, bits=0x40),
        replace(WELL, state=5, bits=0x40, largest_error=16_000_000),  # as after a start
        replace(WELL, largest_error=950_000),
    ],
)
def test_a_kernel_that_knows_nothing_is_no_source(kernel: KernelClock) -> None:
    assert reason(lambda: adjtimex.claim_of(kernel, most=MOST)).startswith("kernel")


@pytest.mark.parametrize(
    ("kernel", "leap"),
    [
        (replace(WELL, state=1), True),
        (replace(WELL, state=2), True),
        (replace(WELL, state=3), True),
        (replace(WELL, state=4), False),  # TIME_WAIT: it is over
        (replace(WELL, bits=WELL.bits | 0x10), True),
        (replace(WELL, bits=WELL.bits | 0x20), True),
    ],
)
def test_the_kernel_knows_of_a_leap_second(kernel: KernelClock, *, leap: bool) -> None:
    assert adjtimex.claim_of(kernel, most=MOST).leap is leap


def test_the_kernel_speaks_when_chrony_does_not() -> None:
    alone = sources(kernel=lambda: WELL, chronyc=("false",))
    heard = alone.ask(frozenset(), timeout_seconds=10)
    assert [one.source for one in heard.claims] == ["kernel"]
    assert set(heard.silent) == {"chrony"}
    line = "C0A80001,10.0.0.1,3,1.0,-0.000012,0,0,0,0,0,0.02,0.001,64.0,Normal"
    both = sources(kernel=lambda: WELL, chronyc=("echo", line))
    heard = both.ask(frozenset(), timeout_seconds=10)
    assert [one.source for one in heard.claims] == ["chrony"]


# ---------------------------------------------------------------------------------- chrony

LINE = "C0A80001,10.0.0.1,3,1.0,0.250000,0.1,0.1,-1.5,0.1,0.2,0.020000,0.001000,64.0,Normal\n"


def test_a_line_of_chronyc() -> None:
    assert chrony.parse(LINE.encode(), most=MOST) == Claim("chrony", 250_000, 11_001)
    insert = LINE.replace("Normal", "Insert second")
    assert chrony.parse(insert.encode(), most=MOST).leap


@pytest.mark.parametrize(
    ("what", "by"),
    [
        ("Normal", "Not synchronised"),
        ("C0A80001", "7F7F0101"),
        ("C0A80001", "00000000"),
        (",3,", ",0,"),
        (",3,", ",16,"),
        ("0.250000", "nan"),
        ("0.250000", "1e3"),
        ("0.250000", "0.25.0"),
        ("0.020000", "-0.02"),
        ("0.020000", "3.0"),
        (",64.0", ""),
        ("10.0.0.1", "一"),
    ],
)
def test_another_line_is_no_source(what: str, by: str) -> None:
    line = LINE.replace(what, by, 1).encode()
    assert reason(lambda: chrony.parse(line, most=MOST)).startswith("chrony")


@given(st.binary(max_size=200))
def test_any_line_is_a_claim_or_a_reason(line: bytes) -> None:
    try:
        chrony.parse(line, most=MOST)
    except Unavailable as error:
        assert error.code == "clock.source-silent"


@contextmanager
def chronyd(folder: Path, server: NtpServer) -> Iterator[tuple[str, ...]]:
    """A real chronyd that follows the server and leaves this machine's clock alone (-x)."""
    program = shutil.which("chronyd") or shutil.which("chronyd", path="/usr/sbin")
    if program is None or not chrony.find_command():
        pytest.skip("no chronyd here: as root, `make ready` installs it")
    if os.geteuid() != 0:
        pytest.skip("chronyd wants to be root")
    folder.chmod(0o700)  # else it makes no socket there
    host, _, port = server.address.partition(":")
    settings = [
        f"server {host} port {port} iburst minpoll 0 maxpoll 0",
        f"bindcmdaddress {folder}/chronyd.sock",
        f"pidfile {folder}/chronyd.pid",
        "cmdport 0",
        "user root",
        "maxdistance 10",
    ]
    (folder / "chrony.conf").write_text("\n".join(settings) + "\n")
    with subprocess.Popen(
        [program, "-x", "-d", "-f", str(folder / "chrony.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            yield ("chronyc", "-c", "-n", "-h", f"{folder}/chronyd.sock", "tracking")
        finally:
            running.terminate()


def until_synchronised(command: tuple[str, ...]) -> Claim:
    end = time.monotonic() + 60
    while True:
        try:
            return chrony.ask(command, timeout_seconds=5, most=60_000_000)
        except Unavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_a_real_chronyd(tmp_path: Path, offset: float) -> None:
    with ntp_server(offset_seconds=offset) as server, chronyd(tmp_path, server) as command:
        assert "chrony" in reason(lambda: chrony.ask(["false"], timeout_seconds=5, most=MOST))
        claim = until_synchronised(command)
        # As far as chronyd can tell, our clock is `offset` behind: the sign is NTP's.
        assert abs(claim.offset / 1e6 - offset) < claim.uncertainty / 1e6 + SLACK


class Forgetful:
    """Changes that nobody keeps."""

    def last(self) -> Standing | None:
        return None

    def append(self, change: Change) -> None:
        del change


def test_a_chronyd_that_sees_drift_closes_the_gate_and_opens_it_again(tmp_path: Path) -> None:
    (tmp_path / "chrony").mkdir()
    with ntp_server() as server, chronyd(tmp_path / "chrony", server) as command:
        alone = Sources((), system_tick, os.urandom, most=MOST, chronyc=command, kernel=None)
        gate = Gate(
            Memory(tmp_path / "clock"),
            Forgetful(),
            lambda resting, seconds: alone.ask(resting, timeout_seconds=max(seconds, 5)),
            system_tick,
            profile=PRODUCTION,
            limits=Limits(age=30_000_000),
            timing=Timing(every_seconds=1),
        )

        def until(wanted: Standing) -> None:
            end = time.monotonic() + 90
            while gate.look().standing is not wanted:
                assert time.monotonic() < end, gate.look()
                gate.measure()
                time.sleep(0.2)

        until(Standing.VERIFIED)
        assert gate().source == "chrony"
        server.offset_seconds = 5
        until(Standing.STOPPED)
        with pytest.raises(Unavailable, match=r"clock\.(over-limit|stale)"):
            gate()
        server.offset_seconds = 0
        until(Standing.VERIFIED)
        assert gate().verified
