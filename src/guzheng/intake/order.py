"""The order: what was asked for, written before anything is done about it.

`order.json` makes an exhibit exist. It holds the applicant's words, the salt, and for a
deposit the size and digest of each file as it came in; everything the road does later can be
done again from it. It stays with the platform and is no paper of the court package: the
manifest says all of it that is evidence.
"""

from dataclasses import dataclass
from datetime import datetime

from guzheng.proof import canonical, instant
from guzheng.proof.digest import Digest
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import (
    ATTEMPT,
    KINDS,
    MAX_ITEMS,
    SALT_SIZE,
    AttestedApplicant,
    require_exhibit_name,
    require_item_name,
)
from guzheng.store.ids import LOCAL

PAPER = "order.json"
SCHEMA = "guzheng.order/1"
ORDERED = tuple(one for one in KINDS if one != ATTEMPT)  # nobody orders a failure


@dataclass(frozen=True, slots=True)
class ReceivedItem:
    """A file as it came in: `digests` starts with SHA-256; SM3 may follow later."""

    name: str
    media_type: str
    size: int
    digests: tuple[Digest, ...]

    def value(self) -> dict[str, object]:
        return {
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
            "digests": [str(one) for one in self.digests],
        }

    @classmethod
    def read(cls, value: object) -> "ReceivedItem":
        fields = Fields(value, "order.items")
        item = cls(
            require_item_name(fields.text("name")),
            fields.text("media_type", longest=200),
            fields.count("size"),
            fields.digests(),
        )
        fields.end()
        return item


@dataclass(frozen=True, slots=True)
class Order:
    """`url` and `allow_private` are for web captures, `items` for the others."""

    exhibit: str
    kind: str
    claimed_name: str
    observed_at: datetime
    salt: bytes
    items: tuple[ReceivedItem, ...] = ()
    url: str | None = None
    allow_private: tuple[str, ...] = ()
    claimed_applicant: str | None = None
    claimed_purpose: str | None = None
    attested_applicant: AttestedApplicant | None = None  # of the account, when it was ordered
    vantage: str | None = None  # from where; this machine, when it does not say
    options: tuple[str, ...] = ()  # of a capture; `intake.rules` has them
    retry_of: str | None = None  # the exhibit that this one was ordered anew for
    account: str = LOCAL  # whose it is
    person: str = ""  # who acted for that account

    def encode(self) -> bytes:
        value: dict[str, object] = {
            "schema": SCHEMA,
            "exhibit": self.exhibit,
            "kind": self.kind,
            "claimed_name": self.claimed_name,
            "observed_at": instant.encode(self.observed_at),
            "salt": self.salt.hex(),
            "items": [one.value() for one in self.items],
            "allow_private": list(self.allow_private),
        }
        optional = {
            "url": self.url,
            "claimed_applicant": self.claimed_applicant,
            "claimed_purpose": self.claimed_purpose,
            "vantage": self.vantage,
            "retry_of": self.retry_of,
            "account": self.account if self.account != LOCAL else None,
            "person": self.person or None,
        }
        value.update({name: text for name, text in optional.items() if text is not None})
        if self.attested_applicant is not None:
            value["attested_applicant"] = self.attested_applicant.value()
        if self.options:
            value["options"] = list(self.options)
        return canonical.encode(value)

    @classmethod
    def parse(cls, octets: bytes) -> "Order":
        fields = Fields(canonical.parse(octets), "order")
        fields.one_of("schema", (SCHEMA,))
        order = cls(
            exhibit=require_exhibit_name(fields.text("exhibit", longest=64)),
            kind=fields.one_of("kind", ORDERED),
            claimed_name=fields.text("claimed_name"),
            observed_at=fields.instant("observed_at"),
            salt=fields.octets("salt", SALT_SIZE),
            items=tuple(
                ReceivedItem.read(one) for one in fields.items("items", most=MAX_ITEMS)
            ),
            url=fields.text_or_none("url", longest=8192),
            allow_private=fields.texts("allow_private"),
            claimed_applicant=fields.text_or_none("claimed_applicant"),
            claimed_purpose=fields.text_or_none("claimed_purpose"),
            attested_applicant=fields.optional("attested_applicant", AttestedApplicant.read),
            vantage=fields.text_or_none("vantage", longest=60),
            retry_of=fields.text_or_none("retry_of", longest=64),
            account=fields.text_or_none("account", longest=64) or LOCAL,
            person=fields.text_or_none("person", longest=64) or "",
            options=fields.texts("options", most=20) if fields.has("options") else (),
        )
        fields.end()
        return order
