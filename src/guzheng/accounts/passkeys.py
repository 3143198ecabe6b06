"""What is kept of a passkey, and who we are to a browser; `webauthn` judges the devices."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Passkey:
    passkey: str  # the credential's id, base64url
    person: str
    name: str
    public: str
    counter: int
    backed_up: bool
    made_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Site:
    """Who we are to a browser: `https://guzheng.example:8443` and the name in it."""

    origin: str
    name: str
