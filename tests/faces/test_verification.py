"""The verify page: three values, a sentence first, and the file stays with its owner."""

import hashlib
import html
import re
import tempfile
from pathlib import Path

import pytest

from guzheng.proof import der
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.web.verdicts import verdict_of
from tests.faces.conftest import Certified, Face
from tests.faces.test_verify_engine import repeated
from tests.world import small_disk


def test_file_and_token_pass(face: Face, certified: Certified) -> None:
    answer = face.client.post(
        "/verify",
        params={"lang": "zh"},
        files={
            "file": (certified.original.name, certified.original.read_bytes()),
            "token": (certified.token.name, certified.token.read_bytes()),
        },
    )
    assert answer.status_code == 200
    assert "验证通过：文件未被改动" in answer.text
    assert "已经存在，此后逐字节未变" in answer.text
    assert hashlib.sha256(certified.original.read_bytes()).hexdigest()[:8] in answer.text


@pytest.mark.parametrize("what", ["pair", "bare", "package"])
def test_its_commands_repeat_it_as_printed(
    face: Face, certified: Certified, tmp_path: Path, what: str
) -> None:
    """With the roots and the policy that the page links to; names may begin with a dash."""
    token = certified.token.read_bytes()
    if what == "bare":  # what stands after the status
        answer = der.parse(token, der.SEQUENCE, "TimeStampResp")
        token = answer.content[2 + answer.content[1] :]
    files = {"file": ("-o.txt", certified.original.read_bytes()), "token": ("-t.tst", token)}
    if what == "package":
        files = {"package": ("-p.zip", certified.package.read_bytes())}
    answered = face.client.post("/verify", params={"lang": "zh"}, files=files)
    lines = [
        html.unescape(one)
        for one in re.findall(r"<code>(.*guz.*|openssl.*)</code>", answered.text)
    ]
    assert len(lines) == (1 if what == "package" else 2), answered.text
    for name, octets in files.values():
        (tmp_path / name).write_bytes(octets)
    for name in ("roots.pem", "ledger.policy"):
        assert what != "package" or f'href="/{name}"' in answered.text
        (tmp_path / name).write_bytes(face.client.get(f"/{name}").content)
    assert repeated(lines, tmp_path) == [0] * len(lines), lines


def test_a_fingerprint_is_enough(face: Face, certified: Certified) -> None:
    digest = hashlib.sha256(certified.original.read_bytes()).hexdigest()
    answer = face.client.post(
        "/api/verify",
        data={"sha256": digest},
        files={"token": ("t.tsa", certified.token.read_bytes())},
    )
    assert answer.json()["outcome"] == "passed"
    assert {one["step"] for one in answer.json()["findings"]} >= {
        "token.imprint",
        "token.trust",
    }


def test_a_wrong_pair_says_so(face: Face, certified: Certified) -> None:
    answer = face.client.post(
        "/verify",
        params={"lang": "zh"},
        files={"file": ("other", b"other"), "token": ("t.tsa", certified.token.read_bytes())},
    )
    assert answer.status_code == 200
    assert "指纹不一致" in answer.text
    assert "已经存在，此后" not in answer.text


@pytest.mark.parametrize("missing", ["file", "token"])
def test_both_are_needed(face: Face, certified: Certified, missing: str) -> None:
    files = {"file": ("f", b"f"), "token": ("t.tsa", certified.token.read_bytes())}
    del files[missing]
    answer = face.client.post("/verify", files=files)
    assert answer.status_code == 422
    assert "web.needs-both" in answer.text


def test_a_fingerprint_that_is_none_is_refused(face: Face, certified: Certified) -> None:
    answer = face.client.post(
        "/api/verify",
        data={"sha256": "ZZ"},
        files={"token": ("t.tsa", certified.token.read_bytes())},
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "digest.malformed"


def test_a_package_passes_and_names_its_exhibits(face: Face, certified: Certified) -> None:
    answer = face.client.post(
        "/verify",
        params={"lang": "zh"},
        files={"package": ("package.zip", certified.package.read_bytes())},
    )
    assert answer.status_code == 200
    assert "验证通过：证据包完整、未被改动" in answer.text
    assert "XX商家_虚假宣传_20261121" in answer.text


def test_a_flipped_byte_fails_and_is_named(face: Face, certified: Certified) -> None:
    octets = bytearray(certified.package.read_bytes())
    octets[octets.index(b"words of a contract")] ^= 1
    answer = face.client.post(
        "/verify", params={"lang": "zh"}, files={"package": ("p.zip", bytes(octets))}
    )
    assert answer.status_code == 200
    assert "验证未通过" in answer.text
    assert "item.altered" in answer.text


def test_a_certificate_alone_says_how_little_it_says(face: Face, certified: Certified) -> None:
    answer = face.client.post(
        "/verify",
        params={"lang": "zh"},
        files={"package": ("c.pdf", certified.certificate.read_bytes())},
    )
    assert "证书未被改动" in answer.text
    assert "它所说的原件不在其中" in answer.text
    assert "证书签名有效" in answer.text
    assert "证书与文书一致" not in answer.text, "there were no papers"


@pytest.mark.parametrize(
    "octets", [b"", b"not a zip", b"%PDF-nothing", b"PK\x03\x04" + b"x" * 99]
)
def test_what_is_no_package_fails_in_words(face: Face, octets: bytes) -> None:
    answer = face.client.post("/verify", files={"package": ("x.zip", octets)})
    assert answer.status_code == 200
    assert "data-verdict" in answer.text
    assert "Traceback" not in answer.text


def test_nothing_that_was_checked_is_kept(
    face: Face, certified: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    face.client.post("/verify", files={"package": ("p.zip", certified.package.read_bytes())})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/verify", "/api/verify"])
def test_of_several_packages_the_last_is_checked(
    face: Face, certified: Certified, path: str
) -> None:
    whole = ("p.zip", certified.package.read_bytes())
    long, none = ("long.zip", whole[1] + bytes(1000)), ("x.zip", b"no package")
    said = []
    for sent in ([none, whole], [long, whole], [whole, none]):
        answer = face.client.post(f"{path}?lang=en", files=[("package", one) for one in sent])
        assert answer.status_code == 200
        passed = certified.exhibit in answer.text or '"outcome":"passed"' in answer.text
        said.append(passed)
    assert said == [True, True, False]


def test_what_lies_behind_a_certificate_is_not_read(face: Face, certified: Certified) -> None:
    """One file that is a certificate to one reader and a package to another."""
    octets = certified.certificate.read_bytes() + certified.package.read_bytes()
    answer = face.client.post("/verify", files={"package": ("c.pdf", octets)})
    assert answer.status_code == 200
    assert certified.exhibit not in answer.text


def test_strangers_do_not_fill_the_disk(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package lies on it while it is checked; evidence comes in meanwhile."""
    with small_disk(tmp_path / "disk", 8 << 20) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        for size, status in ((7 << 20, 200), (9 << 20, 503), (1 << 20, 200)):
            for path in ("/verify?lang=en", "/api/verify"):
                files = {"package": ("p.zip", bytes(size))}
                answer = face.client.post(path, files=files)
                assert answer.status_code == status, (size, path, answer.text[:200])
                if status == 503:
                    assert "no room for this package" in answer.text or "verify.no-room" in (
                        answer.text
                    )
            assert list(disk.iterdir()) == []
        (disk / "others").write_bytes(bytes((8 << 20) * 85 // 100))
        nearly = face.client.post("/verify", files={"package": ("p.zip", bytes(1 << 20))})
        assert nearly.status_code == 503, "the last tenth is for what comes in"


def finding(step: str, outcome: Outcome, code: str = "ok") -> Finding:
    return Finding(step, "a rule", outcome, code)


def test_a_check_is_the_worst_of_its_steps() -> None:
    report = Report(
        (
            finding("leaf", Outcome.PASSED),
            finding("entry.quorum", Outcome.NOT_CHECKED, "policy.quorum-missing"),
            finding("entry.inclusion", Outcome.PASSED),
            finding("seal.trust", Outcome.PASSED),
        )
    )
    verdict = verdict_of(report, "package", None, "en")
    assert verdict.outcome is Outcome.NOT_CHECKED
    first = verdict.checks[0]
    assert (first.outcome, len(first.steps)) == (Outcome.NOT_CHECKED, 3)
    assert first.reasons == (
        "Fewer witnesses have cosigned the checkpoint than the policy demands.",
    )


def test_a_step_without_words_is_shown_by_its_code() -> None:
    verdict = verdict_of(
        Report((finding("new.step", Outcome.FAILED, "x.y"),)), "package", None, "zh"
    )
    assert (verdict.checks[0].title, verdict.checks[0].reasons) == ("new.step", ("x.y",))


def test_no_time_is_named_unless_all_passed() -> None:
    from datetime import UTC, datetime

    at = datetime(2026, 11, 21, tzinfo=UTC)
    failed = Report((finding("leaf", Outcome.FAILED, "leaf.differs"),))
    assert verdict_of(failed, "package", at, "zh", clock_not_verified=True).attested_at is None
    passed = Report((finding("leaf", Outcome.PASSED),))
    assert verdict_of(passed, "package", at, "zh", clock_not_verified=True).attested_at == at
