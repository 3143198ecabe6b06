"""The keys that timestamps are signed with: where they are, which signs when, and the next one.

Between the operator's words and fix/rotation.py: settings say where a device is and what kind
of key the next one is; the root's key may be here or offline.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng import fix
from guzheng.config import Config
from guzheng.fix import rotation, sm2_ceremony, sm2_rotation
from guzheng.proof import chain
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused

if TYPE_CHECKING:
    from guzheng.fix.pkcs11_keys import Device

Role = Literal["tsa", "sm2-tsa", "root", "sm2-root"]
State = Literal["earlier", "signing", "later", "expiring", "expired"]


@dataclass(frozen=True, slots=True)
class KeyView:
    """One certificate that timestamps rest on."""

    number: int
    role: Role
    kind: str
    place: str
    state: State
    begins_at: datetime
    ends_at: datetime
    fingerprint: str


def device_of(config: Config) -> rotation.InDevice | None:
    """The device of the settings. Nothing is loaded, and no PIN read, before a key is asked
    for: whoever only reads papers needs neither."""
    if not config.pkcs11_module:
        return None

    @functools.cache
    def device() -> "Device":
        from guzheng.fix.pkcs11_keys import Device, Place

        return Device(Place(config.pkcs11_module, config.pkcs11_token, _pin(config)))

    return lambda label: device().signing_key(label)


def _pin(config: Config) -> str:
    if config.pkcs11_pin or not config.pkcs11_pin_file:
        return config.pkcs11_pin
    try:
        return Path(config.pkcs11_pin_file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise Refused(
            "config.value-refused",
            expected="pkcs11_pin_file: a file that this user can read",
            found=f"{config.pkcs11_pin_file}: {type(error).__name__}",
            act="mend the setting",
        ) from None


def views(data: Path, now: datetime, warn_days: int) -> tuple[KeyView, ...]:
    """Every certificate, roots first, then the authority's in order."""
    keys_dir = data / "keys"
    found = [
        _view(0, role, certificate, now, warn_days, place)
        for role, place, certificate in _roots(keys_dir)
    ]
    roles: dict[Role, tuple[rotation.Generation, ...]] = {
        "tsa": rotation.generations(keys_dir),
        "sm2-tsa": sm2_rotation.generations(keys_dir),
    }
    for role, known in roles.items():
        for one in known:
            signing = rotation.signing_at(known, now)
            state: State = "earlier" if one.number < signing.number else "later"
            view = _view(
                one.number, role, one.certificate, now, warn_days, one.place, one.begins_at
            )
            found.append(view if one is signing else _with(view, state))
    return tuple(found)


def ending(data: Path, now: datetime, warn_days: int) -> tuple[KeyView, ...]:
    """What signs now and ends soon, or has ended."""
    return tuple(
        one for one in views(data, now, warn_days) if one.state in {"expiring", "expired"}
    )


def rotate(
    config: Config,
    *,
    now: datetime,
    begins_at: datetime,
    entropy: Callable[[int], bytes],
) -> rotation.Generation:
    return rotation.rotate(
        config.data / "keys",
        _kind(config),
        at=now,
        begins_at=begins_at,
        entropy=entropy,
        in_device=_labelled(config),
    )


def rotate_sm2(
    config: Config,
    *,
    now: datetime,
    begins_at: datetime,
    entropy: Callable[[int], bytes],
) -> rotation.Generation:
    return sm2_rotation.rotate(
        config.data / "keys",
        fix.open_libcrypto(),
        operator=config.operator or fix.OPERATOR,
        at=now,
        begins_at=begins_at,
        entropy=entropy,
    )


def request(config: Config, entropy: Callable[[int], bytes]) -> bytes:
    return rotation.request(
        config.data / "keys", _kind(config), entropy=entropy, in_device=_labelled(config)
    )


def issue(
    config: Config, request_pem: bytes, now: datetime, entropy: Callable[[int], bytes]
) -> bytes:
    return rotation.issue(config.data / "keys", request_pem, at=now, entropy=entropy)


def install(
    config: Config,
    certificate_pem: bytes,
    begins_at: datetime,
    entropy: Callable[[int], bytes],
) -> rotation.Generation:
    return rotation.install(
        config.data / "keys",
        certificate_pem,
        begins_at=begins_at,
        entropy=entropy,
        in_device=device_of(config),
    )


def _kind(config: Config) -> fix.KeyKind:
    return "p256" if config.tsa_key == "pkcs11" else cast(fix.KeyKind, config.tsa_key)


def _labelled(config: Config) -> tuple[str, rotation.InDevice] | None:
    """The key in a device that the settings ask for."""
    if config.tsa_key != "pkcs11":
        return None
    device = device_of(config)
    if device is None or not config.pkcs11_key:
        raise Refused(
            "config.value-refused",
            expected="pkcs11_module, pkcs11_token and pkcs11_key, since tsa_key is pkcs11",
            found="one of them is empty",
            act="mend the settings",
        )
    return config.pkcs11_key, device


def _roots(keys_dir: Path) -> Iterator[tuple[Role, str, x509.Certificate]]:
    """Both; their keys may be offline."""
    roles: dict[Role, str] = {"root": fix.ceremony.FOLDER, "sm2-root": sm2_ceremony.FOLDER}
    for role, folder in roles.items():
        path = keys_dir / folder / "root.pem"
        if path.exists():
            place = "file" if path.with_suffix(".key").exists() else "gone"
            yield role, place, chain.parse_pem_roots(path.read_bytes())[0]


def _view(
    number: int,
    role: Role,
    certificate: x509.Certificate,
    now: datetime,
    warn_days: int,
    place: str = "file",
    begins_at: datetime | None = None,
) -> KeyView:
    ends_at = certificate.not_valid_after_utc
    left = (ends_at - now).days
    state: State = "expired" if now > ends_at else "expiring" if left < warn_days else "signing"
    return KeyView(
        number=number,
        role=role,
        kind=_kind_of(certificate),
        place=place,
        state=state,
        begins_at=begins_at or certificate.not_valid_before_utc,
        ends_at=ends_at,
        fingerprint=sha256(certificate.public_bytes(Encoding.DER)).hex,
    )


def _with(view: KeyView, state: State) -> KeyView:
    return KeyView(
        view.number, view.role, view.kind, view.place, state, view.begins_at, view.ends_at,
        view.fingerprint,
    )  # fmt: skip


def _kind_of(certificate: x509.Certificate) -> str:
    key = chain.find_public_key(certificate)
    if isinstance(key, bytes):
        return "SM2"
    return f"RSA-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "P-256"
