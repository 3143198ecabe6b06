"""What was received: the paper that names every byte of an exhibit, and is sealed as a whole.

docs/spec/manifest.md is its specification. The manifest is canonical JSON; its SHA-256 is what
the seal stands over, and it holds the 32-octet salt without which the ledger's leaf says
nothing about the exhibit. Who vouches for a field is in its name: `claimed_` the applicant,
`observed_` this platform, `attested_` whoever the field itself names.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from guzheng.proof import canonical, instant
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.errors import DigestMismatch, Malformed, require
from guzheng.proof.fields import Fields, to_base64

SCHEMA = "guzheng.manifest/1"
POLICY = "guzheng.policy/1"
ATTEMPT = "web-attempt"  # a capture that failed: its record, and what the wire showed
ATTEMPT_ITEMS = ("environment.json", "tls-keys.enc", "transcript.zip")
CAPTURES = ("web", ATTEMPT)
KINDS = ("deposit", "hash-only", *CAPTURES)
ROLES = ("original", "derivative")
APPLICANTS = ("person", "enterprise")
MEANS = ("review", "provider")  # who compared the name with papers, or with a register

EXHIBIT_FORM = re.compile(r"ex_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)  # Crockford's base 32
MAX_ITEMS = 1000  # a person can still read the list; larger sets are several exhibits
MAX_NAME_OCTETS = 240  # file systems allow 255; `.tsa` and a part number must still fit
MAX_TEXT = 1000  # claimed name, applicant, purpose: characters
SALT_SIZE = 32
# Names that cannot be unpacked on a judge's Windows machine (Microsoft, «Naming Files»).
_WINDOWS_DEVICES = re.compile(
    r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE | re.ASCII
)
_FORBIDDEN = frozenset('<>:"/\\|?*')


def require_item_name(name: str) -> str:
    """The name, if it is safe on every system and shows as what it is. Raises Malformed."""
    reason = _name_fault(name)
    require(not reason, Malformed, "item.name-refused", reason, repr(name)[:120])
    return name


def _name_fault(name: str) -> str:
    if not name or name in {".", ".."}:
        return "a file name"
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "Unicode text"
    if size > MAX_NAME_OCTETS:
        return f"at most {MAX_NAME_OCTETS} octets of UTF-8 (found {size})"
    if _FORBIDDEN & set(name):
        return 'none of < > : " / \\ | ? *'
    # Cc controls and NUL; Cf hides or turns text round (U+202E makes exe.jpg of gpj.exe);
    # Zl, Zp break lines; Cs is half a character. Cn is let through: what is assigned depends on
    # the reader's edition of Unicode, and a verdict must not.
    if any(unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp", "Cs"} for one in name):
        return "no control, invisible or direction-changing characters"
    if name != name.strip() or name.endswith("."):
        return "no blank at either end and no dot at the end"
    if _WINDOWS_DEVICES.fullmatch(name):
        return "no device name of Windows"
    return ""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of an exhibit. `size` in octets; the first digest is SHA-256, SM3 follows."""

    name: str
    role: str
    media_type: str
    size: int
    digests: tuple[Digest, ...]

    @property
    def sha256(self) -> Digest:
        return self.digests[0]

    @classmethod
    def read(cls, value: object) -> "Item":
        """Of parsed JSON, field by field, none unknown. Raises Malformed."""
        fields = Fields(value, "manifest.items")
        item = cls(
            name=require_item_name(fields.text("name")),
            role=fields.one_of("role", ROLES),
            media_type=fields.text("media_type", longest=200),
            size=fields.count("size"),
            digests=fields.digests(),
        )
        fields.end()
        return item

    def value(self) -> dict[str, object]:
        return {
            "name": self.name,
            "role": self.role,
            "media_type": self.media_type,
            "size": self.size,
            "digests": [str(one) for one in self.digests],
        }


@dataclass(frozen=True, slots=True)
class Extent:
    """Size in octets and digests of one further paper."""

    size: int
    digests: tuple[Digest, ...]

    @classmethod
    def of(cls, octets: bytes) -> "Extent":
        """Under both algorithms: SHA-256, then SM3."""
        return cls(len(octets), (sha256(octets), sm3(octets)))

    @classmethod
    def read(cls, value: object) -> "Extent":
        """Of parsed JSON, field by field, none unknown. Raises Malformed."""
        fields = Fields(value, "manifest.capture")
        extent = cls(fields.count("size"), fields.digests())
        fields.end()
        return extent

    def value(self) -> dict[str, object]:
        return {"size": self.size, "digests": [str(one) for one in self.digests]}

    def require(self, octets: bytes, subject: str) -> None:
        """Raises DigestMismatch unless these octets have this size and these digests."""
        wanted, found = self.digests[0], f"{sha256(octets)} ({subject})"
        same = self == Extent.of(octets)
        require(same, DigestMismatch, "paper.digest-differs", wanted, found)


@dataclass(frozen=True, slots=True)
class SeenCheckpoint:
    """The newest checkpoint the platform had when it wrote the manifest: not before it."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def read(cls, value: object) -> "SeenCheckpoint":
        """Of parsed JSON, field by field, none unknown. Raises Malformed."""
        fields = Fields(value, "manifest.seen_checkpoint")
        origin = fields.text("origin", longest=255)
        seen = cls(origin, fields.count("size"), fields.base64("root", 32))
        fields.end()
        return seen

    def value(self) -> dict[str, object]:
        return {"origin": self.origin, "size": self.size, "root": to_base64(self.root)}


@dataclass(frozen=True, slots=True)
class AttestedApplicant:
    """The real name of the account that asked, as it was attested before it asked. `by`: the
    operator who reviewed papers, or the provider who asked a register; `uscc`: GB 32100."""

    name: str
    kind: str
    means: str
    at: datetime
    by: str | None = None
    uscc: str | None = None

    @classmethod
    def read(cls, value: object) -> "AttestedApplicant":
        """Of parsed JSON, field by field, none unknown. Raises Malformed."""
        fields = Fields(value, "manifest.attested_applicant")
        applicant = cls(
            name=fields.text("name", longest=MAX_TEXT),
            kind=fields.one_of("kind", APPLICANTS),
            means=fields.one_of("means", MEANS),
            at=fields.instant("attested_at"),
            by=fields.text_or_none("attested_by", longest=MAX_TEXT),
            uscc=fields.text_or_none("uscc", longest=18),
        )
        fields.end()
        return applicant

    def value(self) -> dict[str, object]:
        value = {
            "name": self.name,
            "kind": self.kind,
            "means": self.means,
            "attested_at": instant.encode(self.at),
            "attested_by": self.by,
            "uscc": self.uscc,
        }
        return {name: one for name, one in value.items() if one is not None}


@dataclass(frozen=True, slots=True)
class Manifest:
    """docs/spec/manifest.md, field by field. Optional fields are absent, never empty."""

    exhibit: str
    kind: str
    claimed_name: str
    observed_at: datetime
    items: tuple[Item, ...]
    salt: bytes
    claimed_applicant: str | None = None
    claimed_purpose: str | None = None
    attested_applicant: AttestedApplicant | None = None
    capture: Extent | None = None
    seen_checkpoint: SeenCheckpoint | None = None
    policy: str = POLICY

    @classmethod
    def parse(cls, octets: bytes) -> "Manifest":
        """Of `manifest.json` in its one spelling. Raises Malformed."""
        fields = Fields(canonical.parse(octets), "manifest")
        fields.one_of("schema", (SCHEMA,))
        manifest = cls(
            exhibit=require_exhibit_name(fields.text("exhibit", longest=64)),
            kind=fields.one_of("kind", KINDS),
            claimed_name=fields.text("claimed_name", longest=MAX_TEXT),
            observed_at=fields.instant("observed_at"),
            items=tuple(Item.read(one) for one in fields.items("items", most=MAX_ITEMS)),
            salt=fields.octets("salt", SALT_SIZE),
            claimed_applicant=fields.text_or_none("claimed_applicant", longest=MAX_TEXT),
            claimed_purpose=fields.text_or_none("claimed_purpose", longest=MAX_TEXT),
            attested_applicant=fields.optional("attested_applicant", AttestedApplicant.read),
            capture=fields.optional("capture", Extent.read),
            seen_checkpoint=fields.optional("seen_checkpoint", SeenCheckpoint.read),
            policy=fields.one_of("policy", (POLICY,)),
        )
        fields.end()
        manifest._require_sense()
        return manifest

    def _require_sense(self) -> None:
        names = [unicodedata.normalize("NFC", item.name).casefold() for item in self.items]
        named = {item.name for item in self.items}
        some = named <= {*ATTEMPT_ITEMS} if self.kind == ATTEMPT else bool(names)
        differ = len(set(names)) == len(names) and some
        wanted = "items whose names differ in more than case; of a failed capture, of the wire"
        require(differ, Malformed, "manifest.items", wanted, repr(names)[:120])
        fits = (self.kind in CAPTURES) == (self.capture is not None)
        wanted = "a capture record for a web capture, else none"
        require(fits, Malformed, "manifest.capture", wanted, self.kind)

    def encode(self) -> bytes:
        """The octets that are sealed; `parse` gives it back."""
        value = {
            "schema": SCHEMA,
            "exhibit": self.exhibit,
            "kind": self.kind,
            "claimed_name": self.claimed_name,
            "observed_at": instant.encode(self.observed_at),
            "items": [item.value() for item in self.items],
            "salt": self.salt.hex(),
            "policy": self.policy,
            "claimed_applicant": self.claimed_applicant,
            "claimed_purpose": self.claimed_purpose,
            "attested_applicant": self.attested_applicant and self.attested_applicant.value(),
            "capture": self.capture and self.capture.value(),
            "seen_checkpoint": self.seen_checkpoint and self.seen_checkpoint.value(),
        }
        return canonical.encode({name: one for name, one in value.items() if one is not None})


def require_exhibit_name(name: str) -> str:
    """The name itself. Raises Malformed unless it has the one form of an exhibit's name."""
    form, wanted = EXHIBIT_FORM.fullmatch(name), "ex_ and 26 of Crockford's base 32"
    require(form is not None, Malformed, "exhibit.name-malformed", wanted, repr(name)[:40])
    return name


LEAF_LABEL = b"guzheng/leaf/v1\n"
_COMMITMENT_LABEL = b"guzheng/commitment/v1\n"


def leaf_of(manifest_json: bytes, seal_tsr: bytes) -> bytes:
    """The entry of the ledger, 48 octets: docs/spec/leaf.md.

    Without the salt of the manifest it says nothing: deleting manifest and originals leaves
    the ledger intact and the leaf unlinkable.
    """
    salt = Manifest.parse(manifest_json).salt
    digests = sha256(manifest_json), sm3(manifest_json), sha256(seal_tsr)
    octets = b"".join([_COMMITMENT_LABEL, salt, *(one.value for one in digests)])
    return LEAF_LABEL + sha256(octets).value
