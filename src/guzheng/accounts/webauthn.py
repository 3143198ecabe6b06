"""Passkeys (WebAuthn level 3): a key pair per person and device, unlocked by the person
himself.

The device signs our challenge and our origin, so there is nothing to steal here and nothing to
phish: a page of another name gets no signature. User verification is required, which makes one
passkey two factors. A credential whose counter does not rise was copied, and is refused. The
library of the makers of YubiKey judges the messages; which origin we are is decided here,
exactly.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from guzheng.accounts.onetime import from_websafe, websafe
from guzheng.accounts.passkeys import Passkey, Site
from guzheng.refusals import Refused

_NAME: Final = 40
_REQUIRED: Final = UserVerificationRequirement.REQUIRED


def _server(site: Site) -> Fido2Server:
    return Fido2Server(
        PublicKeyCredentialRpEntity(name="固证 guzheng", id=site.name),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == site.origin,
    )


def ask_to_make(
    site: Site,
    person: str,
    name: str,
    address: str,
    present: Sequence[Passkey],
    challenge: bytes,
) -> dict[str, Any]:
    """Options for `navigator.credentials.create`."""
    options, _ = _server(site).register_begin(
        PublicKeyCredentialUserEntity(id=person.encode(), name=address, display_name=name),
        credentials=[
            PublicKeyCredentialDescriptor(
                type=PublicKeyCredentialType.PUBLIC_KEY, id=from_websafe(one.passkey)
            )
            for one in present
        ],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=_REQUIRED,
        challenge=challenge,
    )
    return dict(options)


def ask_to_sign(site: Site, challenge: bytes) -> dict[str, Any]:
    """Options for `navigator.credentials.get`: no person is named, so none is given away."""
    options, _ = _server(site).authenticate_begin(
        user_verification=_REQUIRED, challenge=challenge
    )
    return dict(options)


def challenge_in(answer: Mapping[str, Any]) -> str:
    """The challenge that the device says it signed: to be found among ours, and used up."""
    try:
        return websafe(RegistrationResponse.from_dict(answer).response.client_data.challenge)
    except (ValueError, KeyError, TypeError):
        pass
    try:
        return websafe(AuthenticationResponse.from_dict(answer).response.client_data.challenge)
    except (ValueError, KeyError, TypeError) as error:
        raise _refused("no answer of a passkey") from error


def made(
    site: Site,
    challenge: str,
    answer: Mapping[str, Any],
    person: str,
    name: str,
    now: datetime,
) -> Passkey:
    """The passkey that the device made; Refused when the answer is not to our question."""
    try:
        data = _server(site).register_complete(_state(challenge), answer)
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(str(error)) from error
    credential = data.credential_data
    if credential is None:
        raise _refused("no key in it")
    shown = "".join(one for one in name.strip() if one.isprintable())[:_NAME]
    return Passkey(
        websafe(credential.credential_id),
        person,
        shown,
        websafe(bytes(credential)),
        data.counter,
        data.is_backed_up(),
        now,
        None,
    )


def credential_in(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Which passkey answers, and for which person it says."""
    try:
        parsed = AuthenticationResponse.from_dict(answer)
        handle = parsed.response.user_handle
        return websafe(parsed.raw_id), (handle or b"").decode("ascii")
    except (ValueError, KeyError, TypeError) as error:
        raise _refused("no answer of a passkey") from error


def signed(site: Site, challenge: str, answer: Mapping[str, Any], passkey: Passkey) -> int:
    """The counter after a good signature; Refused for any other, and for a copied key."""
    credential = AttestedCredentialData(from_websafe(passkey.public))
    try:
        _server(site).authenticate_complete(_state(challenge), [credential], answer)
        counter = AuthenticationResponse.from_dict(answer).response.authenticator_data.counter
    except (ValueError, KeyError, TypeError) as error:
        raise _refused(str(error)) from error
    if (counter or passkey.counter) and counter <= passkey.counter:
        raise Refused(
            "accounts.passkey-copied",
            expected=f"a counter above {passkey.counter}",
            found=str(counter),
            act="sign in another way, and remove this passkey",
        )
    return counter


def _state(challenge: str) -> dict[str, Any]:
    return {"challenge": challenge, "user_verification": _REQUIRED}


def _refused(found: str) -> Refused:
    return Refused(
        "accounts.passkey-refused",
        expected="an answer of a passkey of this site, with the person verified",
        found=found[:120],
    )
