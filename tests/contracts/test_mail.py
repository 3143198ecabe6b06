"""The port of letters, on both implementations; and that SMTP tells no secret in clear."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from guzheng.accounts.letters import Mail
from guzheng.accounts.post import ConsoleMail, SmtpMail
from guzheng.refusals import Refused, Unavailable
from tests.mailbox import mailbox

TEXT = "打开下面的链接：\n\nhttps://guzheng.example/confirm/abc\n\n.\n..two dots\n" + "长" * 500
Sent = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture(params=["console", "smtp"])
def mail(request: pytest.FixtureRequest) -> Iterator[tuple[Mail, Sent]]:
    if request.param == "console":
        written: list[str] = []

        def printed() -> list[tuple[str, str, str]]:
            found = []
            for one in written:
                head, _, text = one.lstrip("\n").partition("\n")
                _, address, subject = head.split("──── ", 2)
                found.append((address.strip(), subject, text.removesuffix("\n")))
            return found

        yield ConsoleMail(written.append), printed
        return
    with mailbox() as box:

        def received() -> list[tuple[str, str, str]]:
            return [
                (str(one["To"]), str(one["Subject"]), str(one.get_content()))
                for one in box.letters
            ]

        yield SmtpMail(f"smtp://127.0.0.1:{box.port}", "固证 <no@guzheng.example>"), received


def test_a_letter_arrives_as_it_was_written(mail: tuple[Mail, Sent]) -> None:
    carrier, sent = mail
    carrier.send("li@example.com", "固证：确认您的地址", TEXT)
    ((address, subject, text),) = sent()
    assert (address, subject) == ("li@example.com", "固证：确认您的地址")
    assert text.replace("\r\n", "\n").strip() == TEXT.strip()
    assert carrier.reaches("li@example.com")


def test_no_telephone_by_smtp_and_every_address_on_the_console() -> None:
    assert not SmtpMail("smtps://mail.example", "no@guzheng.example").reaches("+8613800138000")
    assert ConsoleMail(print).reaches("+8613800138000")


def test_an_address_cannot_become_a_header() -> None:
    with mailbox() as box:
        carrier = SmtpMail(f"smtp://127.0.0.1:{box.port}", "no@guzheng.example")
        hostile = "words\r\nBcc: wang@example.com"
        for address, subject in (("li@example.com", hostile), (f"li@{hostile}", "words")):
            with pytest.raises(ValueError, match=r"linefeed|newline"):
                carrier.send(address, subject, "text")
        assert box.letters == []


def test_a_server_that_offers_no_tls_gets_neither_password_nor_letter() -> None:
    with mailbox() as box:
        carrier = SmtpMail(f"smtp://us:hunter-of-tests@127.0.0.2:{box.port}", "no@g.example")
        with pytest.raises(Unavailable, match=r"accounts\.mail-failed"):
            carrier.send("li@example.com", "words", "text")
        assert box.letters == []
        assert [one for one in box.lines if one.startswith("AUTH")] == []


def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    with mailbox(_self_signed(tmp_path)) as box:
        carrier = SmtpMail(f"smtps://us:hunter-of-tests@127.0.0.1:{box.port}", "no@g.example")
        with pytest.raises(Unavailable, match=r"accounts\.mail-failed") as caught:
            carrier.send("li@example.com", "words", "text")
        assert "hunter" not in str(caught.value)
        assert box.lines == []


def test_a_server_that_refuses_is_told_as_unavailable_and_without_the_address() -> None:
    with mailbox() as box:
        box.refuses = True
        carrier = SmtpMail(f"smtp://127.0.0.1:{box.port}", "no@guzheng.example")
        with pytest.raises(Unavailable) as caught:
            carrier.send("li@example.com", "words", "text")
        assert "li@example.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://mail.example", "no@g.example"),
        ("smtp://", "no@g.example"),
        ("smtp://us:hunter-of-tests@mail.example:port", "no@g.example"),
        ("smtp://mail.example", ""),
        ("smtp://mail.example", "not an address"),
    ],
)
def test_settings_that_cannot_be_are_refused_without_repeating_them(
    url: str, sender: str
) -> None:
    with pytest.raises(Refused) as caught:
        SmtpMail(url, sender)
    assert "hunter" not in str(caught.value)


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
