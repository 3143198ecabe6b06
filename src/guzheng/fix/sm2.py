"""SM2 keys by the system's libcrypto: `cryptography` has none, and OpenSSL is on every Debian.

Called through ctypes, with the argument types of openssl/evp.h spelt out. A distribution may
build OpenSSL without SM2; so `open_libcrypto` does the known-answer test of GM/T 0003.5 first
and is `Unavailable` with what it found: then there are no SM2 tokens, and everything else goes
on.

Signatures are GM/T 0009's: SM3, the identity 1234567812345678 inside what is signed, DER. The
digest is made here, from one that has Z already (GM/T 0003.2 §5.5), and libcrypto signs it in a
context that is kept: to set up its own way from message to signature took a tenth as long as
the signature. Threads may share an `Sm2Key`: no two have a context at the same time, the key is
only read, and ctypes lets go of the interpreter meanwhile. The private key stays in libcrypto's
memory, which wipes it when the key is freed; `pkcs8_der` is for the ceremony, which writes it
to disk once. Neither is ever part of a message or a `repr`.
"""

import ctypes
import weakref
from collections import deque
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ubyte, c_ulong, c_void_p
from functools import cache
from typing import Any, cast

from cryptography.hazmat.primitives import hashes

from guzheng.fix import der
from guzheng.fix.signing import SigningKey
from guzheng.proof import sm2
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused, Unavailable

LIBRARY = "libcrypto.so.3"
SPKI_PREFIX = der.sequence(
    der.object_identifier("1.2.840.10045.2.1"), der.object_identifier(sm2.CURVE)
)
SM3_DER = der.sequence(der.object_identifier(sm2.SM3))
SM2_WITH_SM3_DER = der.sequence(der.object_identifier(sm2.SM2_WITH_SM3))
_MAX_SIGNATURE = 72  # SEQUENCE of two INTEGERs of at most 33 octets
_IN_A_TURN = 6  # some 2.5 ms, of which each signature takes 0.4
_OCTETS = POINTER(c_ubyte)

# openssl/evp.h, openssl/x509.h, openssl/err.h: result and arguments.
_FUNCTIONS = {
    "EVP_PKEY_CTX_new_from_name": (c_void_p, [c_void_p, c_char_p, c_char_p]),
    "EVP_PKEY_keygen_init": (c_int, [c_void_p]),
    "EVP_PKEY_keygen": (c_int, [c_void_p, POINTER(c_void_p)]),
    "EVP_PKEY_CTX_free": (None, [c_void_p]),
    "EVP_PKEY_CTX_new_from_pkey": (c_void_p, [c_void_p, c_void_p, c_char_p]),
    "EVP_PKEY_sign_init": (c_int, [c_void_p]),
    "EVP_PKEY_sign": (c_int, [c_void_p, c_char_p, POINTER(c_size_t), c_char_p, c_size_t]),
    "EVP_PKEY_is_a": (c_int, [c_void_p, c_char_p]),
    "EVP_PKEY_free": (None, [c_void_p]),
    "d2i_AutoPrivateKey": (c_void_p, [c_void_p, POINTER(c_char_p), ctypes.c_long]),
    "i2d_PUBKEY": (c_int, [c_void_p, POINTER(_OCTETS)]),
    "EVP_PKEY2PKCS8": (c_void_p, [c_void_p]),
    "i2d_PKCS8_PRIV_KEY_INFO": (c_int, [c_void_p, POINTER(_OCTETS)]),
    "PKCS8_PRIV_KEY_INFO_free": (None, [c_void_p]),
    "ERR_get_error": (c_ulong, []),
    "ERR_clear_error": (None, []),
    "ERR_reason_error_string": (c_char_p, [c_ulong]),
}


class _Signing:
    """What one signature at a time is made with: libcrypto's context, and memory for it."""

    __slots__ = ("__weakref__", "_context", "_library", "_octets", "_size")

    def __init__(self, library: "Libcrypto", pkey: int) -> None:
        self._library = library
        self._context = library.owned("EVP_PKEY_CTX_new_from_pkey", None, pkey, None)
        weakref.finalize(self, library.call, "EVP_PKEY_CTX_free", self._context)
        library.require("EVP_PKEY_sign_init", self._context)
        self._octets = ctypes.create_string_buffer(_MAX_SIGNATURE)
        self._size = c_size_t()

    def signature(self, digest: bytes) -> bytes:
        octets, size = self._octets, self._size
        size.value = _MAX_SIGNATURE
        self._library.require(
            "EVP_PKEY_sign", self._context, octets, byref(size), digest, len(digest)
        )
        return octets.raw[: size.value]


class Sm2Key:
    """One key pair, held by libcrypto until nobody needs it."""

    __slots__ = ("__weakref__", "_begun", "_free", "_library", "_pkey", "public_key_der")

    def __init__(self, library: "Libcrypto", pkey: int) -> None:
        self._library, self._pkey = library, pkey
        weakref.finalize(self, library.call, "EVP_PKEY_free", pkey)
        self.public_key_der = library.encoded("i2d_PUBKEY", pkey)
        self._free: deque[_Signing] = deque()  # as many as threads ever signed at once
        self._begun = _begun(sm2.entity_digest(self.public))

    @property
    def public(self) -> bytes:
        """`04 || x || y`, which ends the SubjectPublicKeyInfo."""
        return self.public_key_der[-65:]

    def sign(self, message: bytes) -> bytes:
        """SEQUENCE { r, s } over SM3(Z || message), under the identity of GM/T 0009."""
        digest = self._begun.copy()
        digest.update(message)
        try:
            signing = self._free.pop()
        except IndexError:
            signing = _Signing(self._library, self._pkey)
        signature = signing.signature(digest.finalize())
        self._free.append(signing)  # not after a failure: a context that failed is thrown away
        return signature

    def pkcs8_der(self) -> bytes:
        """The private key, for the file that keeps it."""
        library = self._library
        held = library.owned("EVP_PKEY2PKCS8", self._pkey)
        try:
            return library.encoded("i2d_PKCS8_PRIV_KEY_INFO", held)
        finally:
            library.call("PKCS8_PRIV_KEY_INFO_free", held)


class Libcrypto:
    """The few functions that SM2 needs, looked up once."""

    __slots__ = ("_functions",)

    def __init__(self, name: str) -> None:
        """OSError where there is no such library, AttributeError where it is too old."""
        library = ctypes.CDLL(name)
        self._functions: dict[str, Callable[..., Any]] = {}
        for symbol, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, symbol)
            function.restype, function.argtypes = result, arguments
            self._functions[symbol] = function

    def generate(self) -> Sm2Key:
        context = self.owned("EVP_PKEY_CTX_new_from_name", None, b"SM2", None)
        try:
            pkey = c_void_p()
            self.require("EVP_PKEY_keygen_init", context)
            self.require("EVP_PKEY_keygen", context, byref(pkey))
        finally:
            self.call("EVP_PKEY_CTX_free", context)
        return Sm2Key(self, pkey.value or 0)

    def load(self, pkcs8_der: bytes) -> Sm2Key:
        """The key of a PKCS#8 (or SEC 1) encoding; `Refused` for one that is not SM2."""
        octets = c_char_p(pkcs8_der)
        self.call("ERR_clear_error")
        pkey = self.call("d2i_AutoPrivateKey", None, byref(octets), len(pkcs8_der))
        if not pkey:
            self.call("ERR_clear_error")
            raise _unsuited("no key")
        key = Sm2Key(self, pkey)
        if self.call("EVP_PKEY_is_a", pkey, b"SM2") != 1:
            raise _unsuited("a key of another kind")
        return key

    def call(self, symbol: str, *arguments: object) -> int:
        return cast(int, self._functions[symbol](*arguments))

    def owned(self, symbol: str, *arguments: object) -> int:
        """What a function allocated; the caller frees it."""
        self.call("ERR_clear_error")
        found = self.call(symbol, *arguments)
        if not found:
            raise self._failed(symbol)
        return found

    def require(self, symbol: str, *arguments: object) -> None:
        """Call a function that answers 1; raises for any other answer."""
        self.call("ERR_clear_error")
        if self.call(symbol, *arguments) != 1:
            raise self._failed(symbol)

    def encoded(self, symbol: str, held: int) -> bytes:
        """i2d_…: asked for the size first, then written into memory of ours."""
        size = self.call(symbol, held, None)
        if size <= 0:
            raise self._failed(symbol)
        octets = (c_ubyte * size)()
        self.call(symbol, held, byref(ctypes.cast(octets, _OCTETS)))
        return bytes(octets)

    def _failed(self, symbol: str) -> Unavailable:
        reason: object = self._functions["ERR_reason_error_string"](self.call("ERR_get_error"))
        self.call("ERR_clear_error")
        return Unavailable(
            "fix.sm2-failed",
            expected=f"{symbol} to succeed",
            found=str(reason.decode() if isinstance(reason, bytes) else "no reason given"),
            act="try again; if it goes on, restart, or update the system's OpenSSL",
        )


class Sm2Scalars:
    """Signs for whoever keeps the bare scalar, as the ledger does beside its other keys."""

    def __init__(self, library: Libcrypto) -> None:
        self._library = library
        self._keys: dict[bytes, Sm2Key] = {}

    def public(self, secret: bytes) -> bytes:
        """`04 || x || y` of a scalar of 32 octets; ValueError if it is none."""
        return self._key(secret).public

    def sign(self, secret: bytes, message: bytes) -> bytes:
        return self._key(secret).sign(message)

    def _key(self, secret: bytes) -> Sm2Key:
        if secret not in self._keys:
            if len(secret) != 32 or not 1 <= int.from_bytes(secret, "big") <= sm2.N - 2:
                raise ValueError("no private key of SM2")
            self._keys[secret] = self._library.load(_pkcs8_of(secret))
        return self._keys[secret]


@cache  # a process has one, which stays as it was tested
def open_libcrypto(name: str = LIBRARY) -> Libcrypto:
    """The system's libcrypto, once it has shown that it does SM2; else `Unavailable`."""
    try:
        library = Libcrypto(name)
        _require_known_answer(library)
    except (OSError, AttributeError) as error:
        raise _missing(str(error)) from error
    except (Unavailable, Refused, ProofError) as error:
        raise _missing(f"{name}: {error}") from error
    return library


def signing_key_of(key: Sm2Key) -> SigningKey:
    """What a token needs: SM3 everywhere, named in ESSCertIDv2 since it is not the default."""
    return SigningKey(
        public_key_der=key.public_key_der,
        digest_algorithm_der=SM3_DER,
        signature_algorithm_der=SM2_WITH_SM3_DER,
        ess_algorithm_der=SM3_DER,
        digest=_sm3,
        sign=key.sign,
        in_a_turn=_IN_A_TURN,
    )


def _begun(octets: bytes) -> hashes.Hash:
    """An SM3 that has read these. It is copied, which costs a third of what a new one does."""
    begun = hashes.Hash(hashes.SM3())
    begun.update(octets)
    return begun


_EMPTY = _begun(b"")


def _sm3(message: bytes) -> bytes:
    digest = _EMPTY.copy()
    digest.update(message)
    return digest.finalize()


# GM/T 0003.5-2012, appendix A.2: a published example, whose key protects nothing.
_EXAMPLE_PRIVATE = bytes.fromhex(
    "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
)
_EXAMPLE_PUBLIC = bytes.fromhex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
_EXAMPLE_MESSAGE = b"message digest"


def _require_known_answer(library: Libcrypto) -> None:
    """The example's private key gives its public key, and signs what the kernel accepts.

    A signature is drawn by lot, so it cannot be the example's own; `proof.sm2`, which has no
    line in common with libcrypto, judges it instead. Z is the kernel's in both: that it is the
    published one, the kernel's own vectors show, and gmssl, Bouncy Castle and openssl in tests.
    """
    key = library.load(_pkcs8_of(_EXAMPLE_PRIVATE))
    if key.public_key_der != public_key_der(_EXAMPLE_PUBLIC):
        raise _unsuited("another public key than GM/T 0003.5 A.2 gives")
    sm2.require_signature(_EXAMPLE_PUBLIC, _EXAMPLE_MESSAGE, key.sign(_EXAMPLE_MESSAGE))


def _pkcs8_of(scalar: bytes) -> bytes:
    """PKCS#8 around SEC 1 (RFC 5915), without the public key: libcrypto computes it."""
    curve = der.explicit(0, der.object_identifier(sm2.CURVE))
    sec1 = der.sequence(der.integer(1), der.octet_string(scalar), curve)
    return der.sequence(der.integer(0), SPKI_PREFIX, der.octet_string(sec1))


def public_key_der(public: bytes) -> bytes:
    """SubjectPublicKeyInfo around `04 || x || y`."""
    return der.sequence(SPKI_PREFIX, der.bit_string(public))


def _unsuited(found: str) -> Refused:
    return Refused(
        "fix.key-unsuited",
        expected="an SM2 key",
        found=found,
        act="restore the SM2 key from its copy",
    )


def _missing(found: str) -> Unavailable:
    return Unavailable(
        "fix.sm2-missing",
        expected=f"{LIBRARY} of OpenSSL 3 with SM2",
        found=found[:200],
        act="install OpenSSL 3 with SM2 to have SM2 timestamps; all others are made without it",
    )
