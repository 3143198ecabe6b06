"""RFC 3161 over real HTTP, on both faces that speak it: the pages' `/tsa` and `guzheng tsa`."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from guzheng.app import Platform
from guzheng.app.auditing import EVENTS
from guzheng.app.timestamping import QUERY, QUERY_LIMIT, REPLY
from guzheng.config import Config
from guzheng.fix import der
from guzheng.fix.journal import chain, check
from guzheng.fix.journal.checking import find_token
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256, sm3
from guzheng.web import create_app
from tests import plain
from tests.cli.conftest import command
from tests.faces.conftest import serving
from tests.ports import free_port
from tests.road.programs import ran, running
from tests.stations.test_fix_authority import failure_of
from tests.stations.timestamps import FILE, Answer, openssl
from tests.world import small_disk

ROOT = Path(__file__).resolve().parents[2]
ASKED = timestamp.encode_request(sha256(FILE), 0x1234_5678_9ABC)
UNLIMITED = {"GUZHENG_TSA_RATE": "0"}


@dataclass(frozen=True)
class Served:
    """One running authority."""

    client: httpx.Client
    roots: Path
    data: Path
    kill: Callable[[], object] = lambda: None

    def ask(self, question: bytes = ASKED, forwarded: str = "") -> httpx.Response:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        return self.client.post(
            "/tsa", content=question, headers={"Content-Type": QUERY, **headers}
        )


def tst_info_of(response_der: bytes) -> bytes:
    """The octets that were signed, as another reader finds them."""
    token = Answer.load(response_der, strict=True)["time_stamp_token"]
    octets: bytes = token["content"]["encap_content_info"]["content"].parsed.dump()
    return octets


@contextlib.contextmanager
def programs(data: Path, *, processes: int = 1, **environment: str) -> Iterator[Served]:
    """`guzheng tsa` in processes of its own, stopped as an operator stops it."""
    port = free_port()
    arguments = ("tsa", "--data", data, "--port", port, "--processes", processes)
    with running(*arguments, **(UNLIMITED | environment)) as program:
        limits = httpx.Limits(max_keepalive_connections=64)
        address = f"http://127.0.0.1:{port}"
        with plain.client(base_url=address, timeout=60, limits=limits) as client:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline:
                assert program.poll() is None, program.communicate()
                with contextlib.suppress(httpx.TransportError):
                    client.get("/tsa")
                    break
                time.sleep(0.1)

            def kill() -> None:
                program.kill()
                program.wait(60)

            yield Served(client, data / "keys" / "authority" / "root.pem", data, kill)
        if program.poll() is None:
            program.send_signal(signal.SIGTERM)
            assert program.wait(60) == 0, program.communicate()


@contextlib.contextmanager
def pages(data: Path) -> Iterator[Served]:
    platform = Platform(Config(data, tsa_rate=0, clock_profile="evaluation"))
    with serving(create_app(platform)) as face:
        yield Served(face.client, data / "keys" / "authority" / "root.pem", data)


FACES = {"pages": pages, "program": programs}


@pytest.fixture(scope="module", params=FACES)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with FACES[request.param](tmp_path_factory.mktemp("served") / "data") as one:
        yield one


# ------------------------------------------------------------------------ what others say


@pytest.mark.oracle("openssl")
@pytest.mark.parametrize("wish", [("-cert",), ("-cert", "-no_nonce"), ()])
def test_openssl_asks_and_believes(
    served: Served, wish: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(FILE)
    query = ("ts", "-query", "-data", "file", "-sha256", *wish, "-out", "file.tsq")
    assert openssl(*query, cwd=tmp_path).returncode == 0
    answer = served.ask((tmp_path / "file.tsq").read_bytes())
    assert (answer.status_code, answer.headers["content-type"]) == (200, REPLY)
    (tmp_path / "file.tsa").write_bytes(answer.content)
    tsa = served.roots.with_name("tsa.pem")
    judged = openssl(
        *("ts", "-verify", "-queryfile", "file.tsq", "-in", "file.tsa"),
        *("-CAfile", str(served.roots), "-untrusted", str(tsa)),
        cwd=tmp_path,
    )
    assert judged.stdout.strip() == "Verification: OK", judged.stderr


def test_rfc3161_client_believes(served: Served) -> None:
    root = x509.load_pem_x509_certificate(served.roots.read_bytes())
    verifier = VerifierBuilder().add_root_certificate(root).build()
    assert verifier.verify_message(decode_timestamp_response(served.ask().content), FILE)


def test_guzheng_verify_believes(served: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(FILE)
    (tmp_path / "file.tsa").write_bytes(served.ask().content)
    done = subprocess.run(
        ["guzheng-verify", "--roots", str(served.roots), "file", "file.tsa"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_token_has_its_line_and_its_serial(served: Served) -> None:
    answers = [served.ask().content for _ in range(20)]
    assert len({timestamp.parse(one).serial for one in answers}) == 20
    for one in answers:
        assert [*find_token(served.data / "journal", tst_info_of(one))]


# ---------------------------------------------------------------- what is wrong with a question


def asked(*parts: bytes, version: int = 1) -> bytes:
    imprint = der.sequence(
        der.sequence(der.object_identifier("2.16.840.1.101.3.4.2.1"), der.NULL),
        der.octet_string(sha256(FILE).value),
    )
    return der.sequence(der.integer(version), imprint, *parts)


def of_sha1() -> bytes:
    sha1 = der.sequence(der.object_identifier("1.3.14.3.2.26"), der.NULL)
    return der.sequence(der.integer(1), der.sequence(sha1, der.octet_string(bytes(20))))


@pytest.mark.parametrize(
    ("question", "failure"),
    [
        (b"", "BAD_DATA_FORMAT"),
        (b"\x30\x80", "BAD_DATA_FORMAT"),
        (ASKED[:-1], "BAD_DATA_FORMAT"),
        (ASKED + b"\0", "BAD_DATA_FORMAT"),
        (b"\xff" * QUERY_LIMIT, "BAD_DATA_FORMAT"),
        (asked(version=2), "BAD_REQUEST"),
        (of_sha1(), "BAD_ALG"),
        (asked(der.object_identifier("1.3.6.1.4.1.13762.3")), "UNACCEPTED_POLICY"),
        (asked(der.tlv(b"\xa0", der.sequence())), "UNACCEPTED_EXTENSION"),
    ],
)
def test_a_rejection_is_an_answer(served: Served, question: bytes, failure: str) -> None:
    answer = served.ask(question)
    assert (answer.status_code, answer.headers["content-type"]) == (200, REPLY)
    assert failure_of(answer.content).name == failure


def test_sm2_has_a_path_of_its_own(served: Served) -> None:
    def answered(question: bytes) -> bytes:
        got = served.client.post("/tsa/sm2", content=question, headers={"Content-Type": QUERY})
        assert (got.status_code, got.headers["content-type"]) == (200, REPLY)
        return got.content

    token = answered(timestamp.encode_request(sm3(FILE), 7))
    assert der.object_identifier("1.2.156.10197.1.501") in token, "SM2 with SM3 signed it"
    assert timestamp.parse(token).imprint == sm3(FILE).value
    for question, failure in ((ASKED, "BAD_ALG"), (b"\xff", "BAD_DATA_FORMAT")):
        assert failure_of(answered(question)).name == failure


def test_any_octets_are_answered(served: Served) -> None:
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.binary(max_size=300) | st.binary(max_size=8).map(lambda one: ASKED[:9] + one))
    def ask(question: bytes) -> None:
        answer = served.ask(question)
        assert answer.status_code == 200
        assert Answer.load(answer.content, strict=True)["status"]["status"].native in {
            "granted",
            "rejection",
        }

    ask()


# ------------------------------------------------------------------- what is no question at all


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize(
    ("method", "media_type", "octets", "status", "code"),
    [
        ("GET", QUERY, 0, 405, "web.method-not-allowed"),
        ("PUT", QUERY, 40, 405, "web.method-not-allowed"),
        ("POST", "text/plain", 40, 415, "web.not-a-timestamp-query"),
        ("POST", "", 40, 415, "web.not-a-timestamp-query"),
        ("POST", QUERY, QUERY_LIMIT + 1, 413, "web.upload-too-big"),
        ("POST", QUERY, 1_000_000, 413, "web.upload-too-big"),
    ],
)
def test_an_error_of_http_is_a_problem(
    served: Served,
    method: str,
    media_type: str,
    octets: int,
    status: int,
    code: str,
    language: str,
) -> None:
    headers = {"Accept-Language": language} | (
        {"Content-Type": media_type} if media_type else {}
    )
    answer = served.client.request(method, "/tsa", content=bytes(octets), headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"].isascii() == (language == "en")


def test_a_question_without_length_is_bounded(served: Served) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield bytes(1000)

    def ask(body: Iterator[bytes]) -> httpx.Response:
        return served.client.post("/tsa", content=body, headers={"Content-Type": QUERY})

    assert ask(chunks(4)).status_code == 200
    assert ask(chunks(20)).status_code == 413
    assert ask(iter([ASKED[:20], ASKED[20:]])).status_code == 200


@pytest.mark.soak
def test_a_question_that_does_not_come_is_given_up(served: Served) -> None:
    address = (served.client.base_url.host, served.client.base_url.port or 80)
    with socket.create_connection(address, timeout=60) as slow:
        slow.sendall(
            b"POST /tsa HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 69\r\n"
            b"Content-Type: application/timestamp-query\r\n\r\n" + ASKED[:10]
        )
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


# ---------------------------------------------------------------------------- limits, figures


def test_too_many_are_told_to_wait(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path, tsa_per_day=3, clock_profile="evaluation"))
    with serving(create_app(platform)) as face:
        served = Served(face.client, tmp_path, tmp_path)
        answers = [served.ask(b"not even read") for _ in range(8)]
    assert [one.status_code for one in answers] == [200] * 3 + [429] * 5
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["code"] == "fix.too-many-requests"
    told = events(tmp_path)
    assert [one["event"] for one in told] == ["tsa.refusing"]  # once a minute, however many
    assert set(told[0]) == EVENTS["tsa.refusing"] | {"event", "observed_at", "pid"}


def events(data: Path) -> list[dict[str, object]]:
    written = (data / "audit.jsonl").read_text("utf-8")
    return [json.loads(one) for one in written.splitlines()]


def _figures(port: int, awaited: str) -> str:
    """As soon as they say this: how long an answer took is counted when it has left."""
    deadline = time.monotonic() + 30
    while True:
        figures = plain.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        if awaited in figures.splitlines():
            return figures
        assert time.monotonic() < deadline, figures
        time.sleep(0.05)


def test_each_behind_a_proxy_waits_alone_and_all_is_counted(tmp_path: Path) -> None:
    port = free_port()
    with programs(
        tmp_path / "data",
        GUZHENG_METRICS_PORT=str(port),
        GUZHENG_TSA_PER_DAY="2",
        GUZHENG_JOURNAL_CLIENT="address",
    ) as served:
        answers = [served.ask(forwarded="8.8.8.8, 192.0.2.7") for _ in range(6)]
        assert [one.status_code for one in answers] == [200] * 2 + [429] * 4
        assert answers[-1].json()["code"] == "fix.too-many-requests"
        assert served.ask(forwarded="192.0.2.8").status_code == 200
        assert served.ask(b"nothing", forwarded="192.0.2.8").status_code == 200
        figures = _figures(port, 'guzheng_tsa_answer_seconds_bucket{le="+Inf"} 4.0')
    written = b"".join(
        one.read_bytes() for one in chain.files_of(served.data / "journal", "000")
    )
    assert b'"client":"192.0.2.8"' in written
    assert b"8.8.8.8" not in written
    values = dict(one.rsplit(" ", 1) for one in figures.splitlines() if not one.startswith("#"))
    assert float(values["guzheng_tsa_tokens_total"]) == 3
    assert float(values['guzheng_tsa_rejections_total{failure="bad_data_format"}']) == 1
    assert float(values['guzheng_tsa_refusals_total{code="fix.too-many-requests"}']) == 4
    assert float(values['guzheng_tsa_answer_seconds_bucket{le="+Inf"}']) == 4
    assert float(values["guzheng_tsa_certificate_not_after_seconds"]) > 1.7e9
    told = dict.fromkeys(one["event"] for one in events(served.data))
    told.pop("journal.head", None)  # whoever runs for five seconds has a file turned
    assert list(told) == ["tsa.started", "tsa.refusing", "tsa.stopped"]


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = ran("tsa", "--port", port, "--data", tmp_path / "data")
    assert status == 1
    assert "[serve.port-taken]" in err


# ------------------------------------------------------------------------------- bad weather


@pytest.mark.parametrize("face", FACES)
def test_a_next_key_that_cannot_be_used_is_our_failure(tmp_path: Path, face: str) -> None:
    """Put there beside a running server that cannot read it: who asked is not to blame."""
    aside, keys = tmp_path / "aside", tmp_path / "data" / "keys"
    with FACES[face](tmp_path / "data") as served:
        timestamp.parse(served.ask().content)
        shutil.copytree(keys, aside / "keys")
        assert command("keys", "rotate", "--data", aside).status == 0
        key = aside / "keys" / "tsa" / "0002" / "tsa.key"
        sound = key.read_bytes()
        key.write_bytes(b"no key")
        (aside / "keys" / "tsa").rename(keys / "tsa")
        answer = _until(served, granted=False)
        assert failure_of(answer.content).name == "SYSTEM_FAILURE"
        (failing,) = (one for one in events(served.data) if one["event"] == "tsa.failing")
        assert (failing["failure"], failing["code"]) == ("system_failure", "fix.keys-damaged")
        (keys / "tsa" / "0002" / "tsa.key").write_bytes(sound)
        timestamp.parse(_until(served, granted=True).content)
        assert "tsa.issuing" in [one["event"] for one in events(served.data)]


def _until(served: Served, *, granted: bool) -> httpx.Response:
    """The first answer that is so; a key is seen within a second."""
    deadline = time.monotonic() + 30
    while True:
        answer = served.ask()
        assert (answer.status_code, answer.headers["content-type"]) == (200, REPLY)
        status = Answer.load(answer.content, strict=True)["status"]["status"].native
        if (status == "granted") is granted:
            return answer
        assert time.monotonic() < deadline, answer.content
        time.sleep(0.02)


def test_a_full_disk_gives_no_token(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8 * 1024 * 1024) as disk:
        platform = Platform(Config(disk, tsa_rate=0, clock_profile="evaluation"))
        stamping = platform.timestamping

        def ask() -> bytes:
            return stamping.committed(stamping.issue(ASKED, "own"))

        timestamp.parse(ask())
        filler = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
        with pytest.raises(OSError, match="No space"):
            while True:
                os.write(filler, bytes(4096))
        os.close(filler)
        answers = [ask() for _ in range(40)]
        assert failure_of(answers[-1]).name == "SYSTEM_FAILURE"
        assert stamping.counts.totals()["journal-failed"] > 0
        (disk / "filler").unlink()
        timestamp.parse(ask())
        assert events(disk)[-1]["event"] == "tsa.issuing"
        assert platform.verify_journal().faults == []


def signers(data: Path) -> list[int]:
    """The processes that sign for this data directory."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if b"multiprocessing.spawn" in (entry / "cmdline").read_bytes() and any(
                str(data) in opened for opened in _opened_by(entry)
            ):
                found.append(int(entry.name))
    return found


def _opened_by(process: Path) -> Iterator[str]:
    for one in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed since it was listed
            yield str(one.readlink())


def test_killed_at_any_moment_every_token_has_its_line(tmp_path: Path) -> None:
    """First who signs, and another is started in his place; then who started them."""
    data = tmp_path / "data"
    received: list[bytes] = []
    ended = threading.Event()

    def hammer(served: Served) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            question = timestamp.encode_request(sha256(os.urandom(8)), number)
            try:
                received.append(served.ask(question).content)
            except httpx.TransportError:
                ended.wait(0.1)  # nobody is there just now

    def wait_for(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    with programs(data, processes=2) as served:
        threads = [threading.Thread(target=hammer, args=(served,)) for _ in range(6)]
        for one in threads:
            one.start()
        try:
            for _ in range(2):
                enough = len(received) + 50
                wait_for(lambda: len(received) >= enough)  # noqa: B023 - called at once
                os.kill(signers(data)[0], signal.SIGKILL)
            enough = len(received) + 50
            wait_for(lambda: len(received) >= enough)
            served.kill()
            wait_for(lambda: not signers(data))  # nobody goes on signing without it
        finally:
            ended.set()
            for one in threads:
                one.join()
    journal = data / "journal"
    written = b"".join(
        file.read_bytes()
        for name in chain.chains_in(journal)
        for file in chain.files_of(journal, name)
    )
    signed = [tst_info_of(one) for one in received]
    assert [one for one in signed if one.hex().encode() not in written] == []
    again = Platform(Config(data, clock_profile="evaluation"))
    timestamp.parse(again.timestamping.committed(again.timestamping.issue(ASKED, "own")))
    found = check(journal, in_ledger=lambda _: False)
    assert found.faults == []
    assert found.tokens >= len(signed) + 1


# ------------------------------------------------------------------------------- the journal


def test_the_journal_is_verified_and_its_heads_are_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUZHENG_CLOCK_PROFILE", "evaluation")
    data = tmp_path / "data"
    document = tmp_path / "a.txt"
    document.write_bytes(b"words")
    assert command("deposit", "--data", data, document).status == 0
    verify = ("journal", "verify", "--data", data)
    (first,) = command(*verify, "--json").lines
    assert (first["faults"], first["uncovered"]) == (0, first["lines"])
    assert int(str(first["tokens"])) >= 3  # the original, the seal, the certificate's signature
    assert command("journal", "commit", "--data", data).status == 0
    (second,) = command(*verify, "--json").lines
    assert second["uncovered"] == 0
    file = chain.files_of(data / "journal", "000")[0]
    written = file.read_bytes()
    file.write_bytes(b"".join(written.splitlines(keepends=True)[:-1]))
    cut = command(*verify)
    assert cut.status == 1
    assert "[fix.journal-cut]" in cut.out
    file.write_bytes(written + b'{"client":"ow')
    torn = command(*verify, "--lang", "en")
    assert torn.status == 0
    assert "No fault" in torn.err
    assert command("fsck", "--data", data).status == 0


def test_without_its_key_no_client_can_be_found(tmp_path: Path) -> None:
    made: list[str] = []
    for mode in ("keyed", "address", "none"):
        config = Config(tmp_path / "data", journal_client=mode, clock_profile="evaluation")
        stamping = Platform(config).timestamping
        made.append(stamping.admit("192.0.2.1", None))
    keyed, address, none = made
    assert (address, none) == ("192.0.2.1", "")
    assert len(keyed) == 16
    assert (tmp_path / "data" / "journal" / "client.key").stat().st_mode & 0o777 == 0o600


def test_every_event_is_documented() -> None:
    text = (ROOT / "docs" / "operate" / "timestamp-authority.md").read_text("utf-8")
    assert [one for one in EVENTS if f"`{one}`" not in text] == []
    assert [
        fact for facts in EVENTS.values() for fact in facts if f"`{fact}`" not in text
    ] == []
