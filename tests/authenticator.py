"""A device with a passkey, of an outside party: what it says can be bent, word by word."""

import hashlib
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def websafe(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass
class Device:
    """One credential; `counter` rises with each signature, or stays at nothing."""

    origin: str
    name: str
    handle: str = ""
    counter: int = 0
    counts: bool = True
    flags: int = PRESENT | VERIFIED
    credential: bytes = b"credential-of-the-tests"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        asked = options["publicKey"]
        self.handle = str(asked["user"]["id"])
        point = self.key.public_key().public_numbers()
        x, y = (one.to_bytes(32, "big") for one in (point.x, point.y))
        public = cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y})  # COSE: EC2, ES256, P-256
        named = len(self.credential).to_bytes(2, "big") + self.credential
        attested = bytes(16) + named + public
        data = self._data(self.flags | ATTESTED) + attested
        said = {"fmt": "none", "attStmt": {}, "authData": data}
        return self._answer(
            clientDataJSON=websafe(self._client("webauthn.create", asked["challenge"])),
            attestationObject=websafe(cbor.encode(said)),
        )

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        client = self._client("webauthn.get", options["publicKey"]["challenge"])
        self.counter += self.counts
        data = self._data(self.flags)
        over = data + hashlib.sha256(client).digest()
        return self._answer(
            clientDataJSON=websafe(client),
            authenticatorData=websafe(data),
            signature=websafe(self.key.sign(over, ec.ECDSA(hashes.SHA256()))),
            userHandle=self.handle,
        )

    def _client(self, kind: str, challenge: object) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _data(self, flags: int) -> bytes:
        name = hashlib.sha256(self.name.encode()).digest()
        return name + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _answer(self, **response: str) -> dict[str, Any]:
        return {
            "id": websafe(self.credential),
            "rawId": websafe(self.credential),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
        }
