"""The next key of the timestamp authority: made, certified, and taken up by who is running.

Generations of the key: the first by the ceremony (`authority/tsa.*`), each further one in a
folder of its own, `<keys>/tsa/<number>/`: `tsa.pem`, `begins` (from when it signs), and
`tsa.key`, or `tsa.pkcs11` which names a key in a device. A folder appears whole (keyfolder.py).
Nothing is overwritten or deleted here: all certificates stay, so that it can be said whose an
old token is; old private keys SHOULD be destroyed by the operator once the next one signs.

The root may be offline: `request` makes the key and a PKCS #10 request, `issue` is for the
machine that has the root, `install` takes its certificate in. Where the root's key is at hand,
`rotate` does the three. One key has one certificate: a key that any certificate here already
names is `Refused`. Who goes on signing meanwhile: rotating.py.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guzheng.fix import ceremony, der, keyfolder, profiles
from guzheng.fix.authority import require_suited
from guzheng.fix.keyfolder import CERTIFICATE, KEY
from guzheng.fix.signing import KeyKind, SigningKey, generate, signing_key_of
from guzheng.proof import instant, sm2_x509
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused, Unavailable

FOLDER, REQUEST = ceremony.NEXT, "request"
BEGINS, _DEVICE_KEY, _CSR = "begins", "tsa.pkcs11", "tsa.csr"
_MAX_LABEL = 128

InDevice = Callable[[str], SigningKey]  # label → key


@dataclass(frozen=True, slots=True)
class Generation:
    """One certificate of the authority, and where its key is."""

    number: int
    folder: Path
    certificate: x509.Certificate
    begins_at: datetime

    @property
    def place(self) -> Literal["file", "device", "gone"]:
        if os.path.lexists(self.folder / _DEVICE_KEY):
            return "device"
        return "file" if os.path.lexists(self.folder / f"tsa{KEY}") else "gone"


def generations(keys_dir: Path) -> tuple[Generation, ...]:
    """All of them, in order; each certificate is the root's, each key has one."""
    first = keys_dir / ceremony.FOLDER
    root = keyfolder.certificate_in(first / f"root{CERTIFICATE}")
    certificate = keyfolder.certificate_in(first / f"tsa{CERTIFICATE}")
    found = [Generation(1, first, certificate, certificate.not_valid_before_utc)]
    if not os.path.lexists(keys_dir / FOLDER):
        return tuple(found)
    keyfolder.require_private(keys_dir / FOLDER)
    names = [one.name for one in (keys_dir / FOLDER).iterdir()]
    numbers = sorted(int(one) for one in names if one.isdecimal())
    for number in numbers:
        folder = keys_dir / FOLDER / f"{number:04d}"
        keyfolder.require_private(folder)
        certificate = keyfolder.certificate_in(folder / f"tsa{CERTIFICATE}")
        _require_issued(certificate, root, folder / f"tsa{CERTIFICATE}")
        found.append(Generation(number, folder, certificate, begins_in(folder)))
    return tuple(found)


def signing_at(known: tuple[Generation, ...], at: datetime) -> Generation:
    """The last one that has begun."""
    begun = [one for one in known if one.begins_at <= at]
    return begun[-1] if begun else known[0]


def signing_key(generation: Generation, in_device: InDevice | None) -> SigningKey:
    """The generation's key; `Refused` when there is none, or it is another certificate's."""
    if generation.place == "device":
        path = generation.folder / _DEVICE_KEY
        if in_device is None:
            raise keyfolder.refused(
                "fix.pkcs11-unset",
                path,
                "the settings of its device",
                "none",
                "set pkcs11_module, pkcs11_token and the PIN",
            )
        key = in_device(keyfolder.octets_in(path).decode("utf-8", "replace"))
        if key.public_key_der != sm2_x509.public_key_der_of(generation.certificate):
            raise keyfolder.damaged(path, "a key other than its certificate's")
        return key
    path = generation.folder / f"tsa{KEY}"
    return signing_key_of(keyfolder.private_key_in(path, generation.certificate))


# ---- a next generation ------------------------------------------------------------------


def request(
    keys_dir: Path,
    kind: KeyKind,
    *,
    entropy: Callable[[int], bytes],
    in_device: tuple[str, InDevice] | None = None,
) -> bytes:
    """A PKCS #10 request (PEM) for the next key, which is made and waits for its certificate.

    Asked again, the same request: its key was made once. `in_device`: label and device."""
    folder = keys_dir / FOLDER / REQUEST
    make_room(keys_dir, FOLDER)
    _forget_taken_over(keys_dir)

    def files() -> dict[str, bytes]:
        if in_device is not None:
            label, ask = in_device
            key, kept = ask(label), {_DEVICE_KEY: label.encode()}
        else:
            private_key = generate(kind)
            key = signing_key_of(private_key)
            kept = {f"tsa{KEY}": keyfolder.private_key_pem(private_key)}
        _require_fresh(keys_dir, key.public_key_der)
        return {**kept, _CSR: _request_pem(key, keys_dir)}

    keyfolder.make_if_none(folder, files, entropy=entropy)
    return keyfolder.octets_in(folder / _CSR)


def issue(
    keys_dir: Path,
    request_pem: bytes,
    *,
    at: datetime,
    entropy: Callable[[int], bytes],
) -> bytes:
    """The certificate (PEM) for a request, by the root, whose key must be in `keys_dir`."""
    folder = keys_dir / ceremony.FOLDER
    root = keyfolder.certificate_in(folder / f"root{CERTIFICATE}")
    root_key = keyfolder.private_key_in(folder / f"root{KEY}", root)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise keyfolder.damaged(folder / f"root{KEY}", "no EC key")
    public_key = _public_key_in(request_pem)
    certificate = profiles.next_tsa(root_key, root, public_key, at=at, entropy=entropy)
    return certificate.public_bytes(Encoding.PEM)


def install(
    keys_dir: Path,
    certificate_pem: bytes,
    *,
    begins_at: datetime,
    entropy: Callable[[int], bytes],
    in_device: InDevice | None = None,
) -> Generation:
    """The certificate for the waiting key: a generation that signs from `begins_at` on."""
    waiting = keys_dir / FOLDER / REQUEST
    _forget_taken_over(keys_dir)
    if not os.path.lexists(waiting):
        raise _certificate_refused("a certificate that was asked for", "no key is waiting")
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
    except ValueError:
        raise _certificate_refused("a certificate in PEM", "other octets") from None
    root = keyfolder.certificate_in(keys_dir / ceremony.FOLDER / f"root{CERTIFICATE}")
    _require_issued(certificate, root, None)
    public_key_der = sm2_x509.public_key_der_of(certificate)
    _require_fresh(keys_dir, public_key_der)
    trial = Generation(0, waiting, certificate, begins_at)
    key = signing_key(trial, in_device)  # of this certificate, or refused
    require_suited(certificate, key)
    key.sign(b"a trial, whose signature is thrown away")
    require_valid(certificate, begins_at)
    files = {
        one: keyfolder.octets_in(waiting / one)
        for one in (f"tsa{KEY}", _DEVICE_KEY)
        if os.path.lexists(waiting / one)
    }
    files |= {
        f"tsa{CERTIFICATE}": certificate.public_bytes(Encoding.PEM),
        BEGINS: instant.encode(begins_at).encode(),
    }
    number = generations(keys_dir)[-1].number + 1
    folder = keys_dir / FOLDER / f"{number:04d}"
    keyfolder.make_if_none(folder, lambda: files, entropy=entropy)
    keyfolder.remove(waiting)
    return Generation(number, folder, certificate, begins_at)


def rotate(
    keys_dir: Path,
    kind: KeyKind,
    *,
    at: datetime,
    begins_at: datetime,
    entropy: Callable[[int], bytes],
    in_device: tuple[str, InDevice] | None = None,
) -> Generation:
    """Request, certificate and installation, where the root's key is at hand."""
    root_key = keys_dir / ceremony.FOLDER / f"root{KEY}"
    if not os.path.lexists(root_key):
        raise keyfolder.refused(
            "fix.root-offline",
            root_key,
            "the root's key, or a certificate by it",
            "none",
            "guzheng keys request; then issue where the root's key is; then install",
        )
    request_pem = request(keys_dir, kind, entropy=entropy, in_device=in_device)
    certificate_pem = issue(keys_dir, request_pem, at=at, entropy=entropy)
    ask = in_device[1] if in_device else None
    return install(
        keys_dir, certificate_pem, begins_at=begins_at, entropy=entropy, in_device=ask
    )


# ---- small pieces ------------------------------------------------------------------------


def make_room(keys_dir: Path, folder: str) -> None:
    """The folder of further generations."""
    try:
        (keys_dir / folder).mkdir(mode=0o700, exist_ok=True)
        keyfolder.sync(keys_dir)
    except OSError as error:
        raise Unavailable(
            "fix.keys-unwritable",
            expected="a folder that can be written",
            found=error.strerror or type(error).__name__,
            act=f"make room in or give write access to {keys_dir}",
        ) from error


def _forget_taken_over(keys_dir: Path) -> None:
    """A request that was answered just before a crash."""
    waiting = keys_dir / FOLDER / REQUEST
    if os.path.lexists(waiting):
        asked = x509.load_pem_x509_csr(keyfolder.octets_in(waiting / _CSR)).public_key()
        form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        newest = generations(keys_dir)[-1].certificate
        if sm2_x509.public_key_der_of(newest) == asked.public_bytes(*form):
            keyfolder.remove(waiting)


def _require_fresh(keys_dir: Path, public_key_der: bytes) -> None:
    """One key, one certificate: else a signature could be claimed for two of them."""
    folders = [keys_dir / ceremony.FOLDER, *(one.folder for one in generations(keys_dir))]
    for folder in folders:
        for path in folder.glob(f"*{CERTIFICATE}"):
            if sm2_x509.public_key_der_of(keyfolder.certificate_in(path)) == public_key_der:
                raise keyfolder.refused(
                    "fix.key-certified-before",
                    path,
                    "a key without a certificate",
                    "the key of",
                    "make another key, and ask for its certificate",
                )


def require_valid(certificate: x509.Certificate, begins_at: datetime) -> None:
    """A key signs from a time on at which its certificate is valid."""
    if not certificate.not_valid_before_utc <= begins_at <= certificate.not_valid_after_utc:
        raise _certificate_refused(
            f"one valid at {instant.encode(begins_at)}",
            f"{certificate.not_valid_before_utc} to {certificate.not_valid_after_utc}",
        )


def _require_issued(
    certificate: x509.Certificate, root: x509.Certificate, path: Path | None
) -> None:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        if path is not None:
            raise keyfolder.damaged(path, "not issued by the root") from None
        raise _certificate_refused("one issued by our root", "another issuer") from None


def begins_in(folder: Path) -> datetime:
    """From when a generation signs."""
    path = folder / BEGINS
    try:
        return instant.parse(keyfolder.octets_in(path).decode("ascii", "replace"))
    except ProofError:
        raise keyfolder.damaged(path, "no time") from None


def _request_pem(key: SigningKey, keys_dir: Path) -> bytes:
    """PKCS #10 (RFC 2986) by hand, since the key may be in a device."""
    root = keyfolder.certificate_in(keys_dir / ceremony.FOLDER / f"root{CERTIFICATE}")
    subject = profiles.tsa_name(root).public_bytes()
    asked = der.sequence(der.integer(0), subject, key.public_key_der, der.explicit(0, b""))
    whole = der.sequence(asked, key.signature_algorithm_der, der.bit_string(key.sign(asked)))
    return x509.load_der_x509_csr(whole).public_bytes(Encoding.PEM)


def _public_key_in(request_pem: bytes) -> profiles.PublicKey:
    """The key of a request that its holder signed."""
    try:
        asked = x509.load_pem_x509_csr(request_pem)
        sound, public_key = asked.is_signature_valid, asked.public_key()
    except ValueError:
        raise _certificate_refused("a request in PEM", "other octets") from None
    if not sound or not isinstance(public_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise _certificate_refused("a request signed by its own EC or RSA key", "another")
    return public_key


def _certificate_refused(expected: str, found: str) -> Refused:
    return Refused(
        "fix.certificate-refused",
        expected=expected,
        found=found,
        act="ask for a certificate with `guzheng keys request`, and install the one it brings",
    )
