"""What a stranger asks: is this package, this file, this certificate what it says it is?

Callers read and hash; this module only judges. Papers come as octets, originals as digests.
The numbered steps of an exhibit are in exhibit.py; a package adds that its members are those
it lists, and a single file has its timestamp alone.
"""

from collections.abc import Mapping
from typing import TypeVar

from guzheng.proof import exhibit, package, timestamp
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Refuted, require
from guzheng.proof.exhibit import verify_exhibit
from guzheng.proof.fork import Fork
from guzheng.proof.note import VerifierKey
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust
from guzheng.proof.report import Report
from guzheng.proof.steps import Steps, need
from guzheng.proof.timestamp import TimestampToken

__all__ = [
    "verify_certificate",
    "verify_exhibit",
    "verify_file",
    "verify_fork",
    "verify_package",
]
_Member = TypeVar("_Member")


def verify_file(hashes: Mapping[str, bytes], token_octets: bytes, trust: Trust) -> Report:
    """A file, known by its hashes under the names of cms.DIGESTS, and its `.tsa`."""
    steps = Steps()
    token = steps.check("token.form", lambda: timestamp.parse(token_octets))
    steps.check("token.imprint", lambda: _imprint(need(token, "a token"), hashes))
    prove = timestamp.require_signature
    signer = steps.check("token.signature", lambda: prove(need(token, "a token")))
    steps.check("token.trust", lambda: exhibit.require_trusted(token, signer, trust))
    return steps.report()


def _imprint(token: TimestampToken, hashes: Mapping[str, bytes]) -> None:
    hashed = need(hashes.get(token.imprint_name), f"the file's {token.imprint_name}")
    timestamp.require_imprint(token, hashed, token.imprint_name)


def verify_certificate(pdf_octets: bytes, trust: Trust) -> Report:
    """A certificate alone: that it is signed and whole. What it says needs its papers."""
    steps = Steps()
    prove = exhibit.require_signed_pdf
    steps.check("certificate.signature", lambda: prove(pdf_octets, trust))
    return steps.report()


def verify_package(
    papers: Mapping[str, bytes], observed: Mapping[str, Observed], trust: Trust
) -> Report:
    """A package: `papers` are the members read whole, `observed` is every member, hashed."""
    steps = Steps()
    name = package.LISTING
    listing = steps.check(
        "package.listing", lambda: package.parse_listing(need(papers.get(name), name))
    )
    steps.check("package.members", lambda: _members(listing, observed))
    steps.check("package.outer", lambda: _outer(observed))
    for name in package.exhibits_in(observed):
        prefix = f"{package.EXHIBITS}{name}/"
        own = _below(prefix, papers)
        found = verify_exhibit(own, _below(prefix, observed), trust, folder=name, prefix=prefix)
        steps.findings.extend(found.findings)
    return steps.report()


def verify_fork(octets: bytes, trust: Trust) -> Report:
    """A file of docs/spec/fork.md. Passed: the log signed two histories, told as found."""

    def prove() -> str:
        ledger = need(trust.ledger, "the log's keys")
        keys = [VerifierKey.parse(one) for one in ledger.logs]
        both = Fork.parse(octets).require_proved(keys)
        return "; ".join(f"{one.origin}: {one.size} {one.root.hex()}" for one in both)

    steps = Steps()
    steps.check("fork", prove)
    return steps.report()


def _below(prefix: str, members: Mapping[str, _Member]) -> dict[str, _Member]:
    return {
        name.removeprefix(prefix): members[name] for name in members if name.startswith(prefix)
    }


def _members(listing: dict[str, Digest] | None, observed: Mapping[str, Observed]) -> None:
    listed = need(listing, package.LISTING)
    package.require_members(listed, set(observed) - {package.LISTING})
    for name in sorted(listed):
        package.require_listed(name, listed[name], observed[name])


def _outer(observed: Mapping[str, Observed]) -> None:
    exhibits = package.exhibits_in(observed)
    require(bool(exhibits), Refuted, "package.member-missing", "at least one exhibit", "none")
    known = tuple(f"{package.EXHIBITS}{one}/" for one in exhibits)
    outer = {name for name in observed if not name.startswith(known)}
    package.require_members(package.OUTER, outer - set(package.DOCUMENTS))
