"""Keys that never leave a device: any PKCS#11 module, through python-pkcs11 (PKCS#11 v2.40).

A token (here: the device's) is named by its label, a key by its label within it; the key pair
is made with the device's own tools, and this program only asks it to sign. P-256 signs with
CKM_ECDSA over our SHA-256, RSA of 3072 bits or more with CKM_SHA256_RSA_PKCS: what every module
has.

Threads may share a `Device`: one session, one signature at a time, under a lock. A session that
is lost is opened again at once, once; if that fails, or the device is away, the signature is
`Unavailable`, and the next one tries again. A refused PIN is never tried again by this process:
three tries would lock the device. After a fork the child opens a session of its own. The PIN
appears in no message, log or `repr`.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.exceptions import (
    MultipleObjectsReturned,
    NoSuchKey,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from pkcs11.types import SignMixin
from pkcs11.util.ec import encode_ec_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from guzheng.fix import der
from guzheng.fix.signing import MIN_RSA_BITS, SigningKey, with_sha256
from guzheng.refusals import Refused, Unavailable

_PIN_REFUSED = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the device is, and what opens it."""

    module: str
    token: str
    pin: str = field(repr=False)


class Device:
    """One device and a session with it, opened when it is first needed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._session: pkcs11.Session | None = None
        self._keys: dict[str, SignMixin] = {}  # of this session
        self._process = 0
        self._refused_pin = False

    def __repr__(self) -> str:
        return f"Device({self._place.token!r})"

    def signing_key(self, label: str) -> SigningKey:
        """The key pair of this label; `Refused` if there is none, or of a kind not fit."""
        public_key_der = self._carried_out(lambda session: _public_key_of(session, label))
        match load_der_public_key(public_key_der):
            case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
                return with_sha256(
                    public_key_der, "ecdsa", lambda octets: self._ecdsa(label, octets)
                )
            case rsa.RSAPublicKey(key_size=bits) if bits >= MIN_RSA_BITS:
                return with_sha256(
                    public_key_der, "rsa", lambda octets: self._rsa(label, octets)
                )
            case other:
                raise _unsuited(label, f"{type(other).__name__}")

    def _ecdsa(self, label: str, message: bytes) -> bytes:
        digest = hashlib.sha256(message).digest()
        raw = self._carried_out(
            lambda session: self._signed(session, label, digest, Mechanism.ECDSA)
        )
        r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
        return der.sequence(der.integer(r), der.integer(s))

    def _rsa(self, label: str, message: bytes) -> bytes:
        return self._carried_out(
            lambda session: self._signed(session, label, message, Mechanism.SHA256_RSA_PKCS)
        )

    def _signed(
        self, session: pkcs11.Session, label: str, octets: bytes, mechanism: Mechanism
    ) -> bytes:
        key = self._keys.get(label)
        if key is None:
            found = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
            key = self._keys[label] = cast(SignMixin, found)
        return bytes(key.sign(octets, mechanism=mechanism))

    def _carried_out(self, ask: Callable[[pkcs11.Session], _T]) -> _T:
        """What was asked, in a session that lives; one that died is opened again, once."""
        with self._lock:
            if self._session is not None and self._process == os.getpid():
                try:
                    return ask(self._session)
                except PKCS11Error:
                    self._session = None
            try:
                self._session = self._opened()
                return ask(self._session)
            except PKCS11Error as error:
                self._session = None
                raise self._failed(error) from None  # its text may quote the device

    def _opened(self) -> pkcs11.Session:
        if self._refused_pin:
            raise PinIncorrect
        try:
            library = pkcs11.lib(self._place.module)
        except (RuntimeError, OSError) as error:
            raise _module_missing(self._place.module, type(error).__name__) from None
        if self._process:  # it was lost, or this is a child: whatever the module held is stale
            library.reinitialize()
        self._process = os.getpid()
        self._keys.clear()
        token = library.get_token(token_label=self._place.token)
        try:
            return token.open(user_pin=self._place.pin)
        except UserAlreadyLoggedIn:  # by another `Device`: a login is the whole process's
            return token.open()
        except _PIN_REFUSED:
            self._refused_pin = True
            raise

    def _failed(self, error: PKCS11Error) -> Refused | Unavailable:
        found = type(error).__name__
        if isinstance(error, _PIN_REFUSED):
            return Refused(
                "fix.pkcs11-pin",
                expected=f"the PIN of {self._place.token}",
                found=found,
                act="set the PIN right and start again; it was tried once and not again",
            )
        if isinstance(error, NoSuchKey | MultipleObjectsReturned):
            return Refused(
                "fix.pkcs11-key",
                expected=f"one key pair of the label in {self._place.token}",
                found=found,
                act="make the key pair with the device's tools, or mend the label",
            )
        return Unavailable(
            "fix.pkcs11-unavailable",
            expected=f"the device {self._place.token} to answer",
            found=found,
            act="connect the device; signing goes on by itself when it is back",
        )


def _public_key_of(session: pkcs11.Session, label: str) -> bytes:
    """SubjectPublicKeyInfo; both halves must be there."""
    session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
    found = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=label)
    key = cast(pkcs11.PublicKey, found)
    if key[Attribute.KEY_TYPE] == pkcs11.KeyType.EC:
        return bytes(encode_ec_public_key(key))
    if key[Attribute.KEY_TYPE] == pkcs11.KeyType.RSA:
        pkcs1 = bytes(encode_rsa_public_key(key))
        algorithm = der.sequence(der.object_identifier("1.2.840.113549.1.1.1"), der.NULL)
        return der.sequence(algorithm, der.bit_string(pkcs1))
    raise _unsuited(label, "another kind of key")


def _unsuited(label: str, found: str) -> Refused:
    return Refused(
        "fix.key-unsuited",
        expected=f"P-256, or RSA with at least {MIN_RSA_BITS} bits",
        found=f"{found}: {label}",
        act="make another key on the device",
    )


def _module_missing(module: str, found: str) -> Refused:
    return Refused(
        "fix.pkcs11-module",
        expected="a PKCS#11 module that can be loaded",
        found=f"{found}: {module}",
        act="set pkcs11_module to the path of the device's module",
    )
