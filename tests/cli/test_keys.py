"""The keys of timestamps at the command line: list, rotate, and a root that is elsewhere."""

from pathlib import Path

import pytest
from cryptography import x509

from guzheng.proof import timestamp
from tests import softhsm
from tests.cli.conftest import Command


def seal_of(cli: Command, file: Path) -> x509.Certificate:
    folder = Path(str(cli("deposit", file, "--json").lines[-1]["folder"]))
    return timestamp.require_signature(timestamp.parse((folder / "seal.tsa").read_bytes()))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"light")
    return path


def listed(cli: Command) -> dict[tuple[object, object], object]:
    ran = cli("keys", "list", "--json")
    return {(one["role"], one["number"]): one["state"] for one in ran.lines}


def test_the_next_key_signs_and_the_list_says_so(cli: Command, file: Path) -> None:
    first = seal_of(cli, file)
    assert cli("keys", "rotate").status == 0
    assert cli("keys", "rotate", "--at", "2100-01-01T00:00:00Z").status != 0, "after its end"
    second = seal_of(cli, file)
    assert first != second
    found = listed(cli)
    assert found["tsa", 1] == "earlier"
    assert found["tsa", 2] == "signing"
    assert found["root", 0] == "signing"
    exhibit = cli("list", "--json").lines[0]["exhibit"]
    out = file.with_name("court.zip")
    assert cli("package", exhibit, "--out", out).status == 0
    assert cli("fsck").status == 0, "old tokens verify"


def sm2_signer(cli: Command, file: Path) -> x509.Certificate:
    folder = Path(str(cli("deposit", file, "--json").lines[-1]["folder"]))
    return timestamp.require_signature(timestamp.parse((folder / "seal.sm2.tsa").read_bytes()))


def test_the_sm2_key_turns_too(cli: Command, data: Path, file: Path, tmp_path: Path) -> None:
    first = sm2_signer(cli, file)
    assert cli("keys", "rotate", "--sm2", "--at", "2100-01-01T00:00:00Z").status != 0
    assert cli("keys", "rotate", "--sm2").status == 0
    (data / "keys" / "sm2" / "tsa.key").unlink()  # as the page says: the next one signs
    second = sm2_signer(cli, file)
    assert first != second
    found = listed(cli)
    assert (found["sm2-tsa", 1], found["sm2-tsa", 2]) == ("earlier", "signing")
    assert found["tsa", 1] == "signing"
    for number, exhibit in enumerate(one["exhibit"] for one in cli("list", "--json").lines):
        out = tmp_path / f"court-{number}.zip"
        assert cli("package", exhibit, "--out", out).status == 0
    assert cli("fsck").status == 0
    (data / "keys" / "sm2" / "root.key").unlink()
    away = cli("keys", "rotate", "--sm2")
    assert (away.status, "[fix.root-offline]" in away.err) == (1, True), away


def test_a_root_that_is_away(cli: Command, data: Path, tmp_path: Path, file: Path) -> None:
    cli("keys", "list")
    vault = tmp_path / "vault" / "keys" / "authority"
    vault.mkdir(parents=True, mode=0o700)
    for one in (vault.parent, vault.parent.parent):
        one.chmod(0o700)
    for name in ("root.key", "root.pem"):
        (vault / name).write_bytes((data / "keys/authority" / name).read_bytes())
        (vault / name).chmod(0o600)
    (data / "keys/authority/root.key").unlink()
    refused = cli("keys", "rotate", "--lang", "en")
    assert (refused.status, "not on this machine" in refused.err) == (1, True), refused
    asked, certificate = tmp_path / "next.csr", tmp_path / "next.pem"
    assert cli("keys", "request", asked).status == 0
    assert cli("keys", "request", asked).status == 1, "it would be overwritten"
    assert cli("keys", "issue", asked, certificate, "--data", tmp_path / "vault").status == 0
    assert cli("keys", "install", certificate).status == 0
    assert seal_of(cli, file) == x509.load_pem_x509_certificate(certificate.read_bytes())


@pytest.mark.parametrize("when", ["tomorrow", "2027-01-01", "2027-01-01T00:00:00"])
def test_a_time_has_a_zone(cli: Command, when: str) -> None:
    assert cli("keys", "rotate", "--at", when).status == 1


def test_what_ends_soon_is_said(cli: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUZHENG_TSA_WARN_DAYS", "1900")  # five years and some
    ran = cli("keys", "list", "--lang", "en")
    assert (ran.status, "ends soon" in ran.out) == (1, True)
    (said,) = [one for one in cli("doctor", "--json").lines if one["check"] == "keys-ending"]
    assert said["good"] is False


@pytest.mark.skipif(bool(softhsm.MISSING), reason=softhsm.MISSING)
def test_a_key_in_a_device_and_a_pin_that_nobody_sees(
    program: Command, tmp_path: Path, file: Path
) -> None:
    settings = in_a_device(tmp_path)
    assert program("keys", "rotate", **settings).status == 0
    again = program("keys", "rotate", "--lang", "en", **settings)
    assert (again.status, "a key has one" in again.err) == (1, True), again
    ran = program("deposit", file, "--json", **settings)
    assert (ran.status, ran.lines[-1]["state"]) == (0, "certified"), ran
    wrong = program("deposit", file, **(settings | {"GUZHENG_PKCS11_PIN": "135799"}))
    assert (wrong.status, "[fix.pkcs11-pin]" in wrong.err) == (1, True), wrong
    assert "135799" not in wrong.out + wrong.err
    assert len(program("list", "--json").lines) == 1, "nothing was begun"


@pytest.mark.skipif(bool(softhsm.MISSING), reason=softhsm.MISSING)
def test_what_only_reads_needs_no_device(program: Command, tmp_path: Path, file: Path) -> None:
    """Without its settings, with a PIN file that is gone, and while the device is away."""
    settings = in_a_device(tmp_path)
    assert program("keys", "rotate", **settings).status == 0
    exhibit = program("deposit", file, "--json", **settings).exhibit
    take_away(tmp_path)
    lost = settings | {"GUZHENG_PKCS11_PIN_FILE": str(tmp_path / "no-pin")}
    for number, way in enumerate(({}, lost, settings)):
        out = tmp_path / f"court-{number}.zip"
        for words in (
            ("list",), ("show", exhibit), ("package", exhibit, "--out", out), ("keys", "list"),
            ("keep", "status"), ("ledger", "policy"), ("roots",), ("fsck",), ("rebuild",),
        ):  # fmt: skip
            assert program(*words, **way).status == 0, (words, way)
    for way, code in (({}, "fix.pkcs11-unset"), (lost, "config.value-refused")):
        ran = program("deposit", file, **way)
        assert (ran.status, f"[{code}]" in ran.err) == (1, True), ran
    (said,) = [one for one in program("doctor", "--json").lines if one["check"] == "keys"]
    assert (said["good"], "fix.pkcs11-unset" in str(said["detail"])) == (False, True)
    assert len(program("list", "--json").lines) == 1, "nothing was begun"
    waits = program("deposit", file, "--json", **settings)
    assert (waits.status, waits.lines[-1]["state"]) == (75, "manifested"), waits
    bring_back(tmp_path)
    done = program("worker", "--until-idle", "--json", **settings)
    assert (done.status, done.lines[-1]["state"]) == (0, "certified"), done
    take_away(tmp_path)
    assert program("keys", "rotate").status == 0, "a device that is lost can be replaced"
    assert program("deposit", file).status == 0


def in_a_device(folder: Path) -> dict[str, str]:
    """Settings for a device with a key, and its PIN."""
    device = softhsm.made(folder / "hsm")
    device.add("next", "secp256r1")
    pin = folder / "pin"
    pin.write_text(softhsm.PIN + "\n")
    return {
        "SOFTHSM2_CONF": device.environment["SOFTHSM2_CONF"],
        "GUZHENG_TSA_KEY": "pkcs11",
        "GUZHENG_PKCS11_MODULE": softhsm.MODULE,
        "GUZHENG_PKCS11_TOKEN": softhsm.TOKEN,
        "GUZHENG_PKCS11_KEY": "next",
        "GUZHENG_PKCS11_PIN_FILE": str(pin),
    }


def take_away(folder: Path) -> None:
    """The device's module stays, as it does when a device is pulled out."""
    (folder / "hsm" / "tokens").rename(folder / "hsm" / "away")
    (folder / "hsm" / "tokens").mkdir()


def bring_back(folder: Path) -> None:
    (folder / "hsm" / "tokens").rmdir()
    (folder / "hsm" / "away").rename(folder / "hsm" / "tokens")
