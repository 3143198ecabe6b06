"""Until when what vouches for an exhibit is good, and why then: the question behind renewal.

Takes the kept papers and the tables of `sunsets`; gives an `Age`. Reads only. A token that
cannot be read is damage, which `fsck` names: here it is `Refused`. So is one of an authority
whose root is not believed any more.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from guzheng.keep.sunsets import Sunsets
from guzheng.proof import package, renewal, timestamp
from guzheng.proof.errors import ProofError, UnknownKey
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs, read

CERTIFICATE, SIGNATURE, HASH = "certificate", "signature", "hash"


@dataclass(frozen=True, slots=True)
class Age:
    """`because`: certificate, signature or hash; `renewals`: how many records there are."""

    exhibit: str
    sealed_at: datetime
    until: datetime
    because: str
    source: str
    renewals: int
    hash_name: str  # of the newest chain, or of the tokens


@dataclass(frozen=True, slots=True)
class Judged:
    """Who is believed, and which tables say when algorithms end."""

    roots: tuple[x509.Certificate, ...]
    sunsets: Sunsets


def age_of(
    blobs: Blobs, exhibit: str, folder: str, names: Collection[str], judged: Judged
) -> Age:
    """Of a finished exhibit; `names` are the papers in its folder."""
    place = folder + package.SEAL
    try:
        sealed_at = timestamp.parse(read(blobs, place)).attested_at
        records = records_in(names)
        if records:
            place = folder + records[-1]
            newest = renewal.parse(read(blobs, place))
            name = newest.chains[-1].hash_name
            ends = [_end(newest.stamps[-1].token, name, judged)]
        else:
            name, ends = "sha256", []
            for paper in tokens_in(names):
                place = folder + paper
                token = timestamp.parse(read(blobs, place))
                ends.append(_end(token, token.imprint_name, judged))
    except UnknownKey as error:
        raise Refused(
            "keep.root-missing",
            expected=error.expected,
            found=f"{place}: {error.found}",
            act="the operator puts the root of that authority back among timestamp_roots",
        ) from error
    except ProofError as error:
        raise Refused(
            "keep.damaged",
            expected=error.expected or "a paper as it was written",
            found=f"{place}: {error.code} {error.found}",
            act="the operator runs fsck, which names what is damaged, and restores it",
        ) from error
    until, because, source = min(ends)
    return Age(exhibit, sealed_at, until, because, source, len(records), name)


def tokens_in(names: Iterable[str]) -> list[str]:
    """The timestamps that the exhibit was sealed with by its primary authority."""
    tokens = [one for one in names if one.startswith(package.TOKENS)]
    return [*sorted(tokens), package.SEAL]


def records_in(names: Iterable[str]) -> list[str]:
    """The evidence records, oldest first."""
    return sorted(one for one in names if one.startswith(package.RENEWALS))


def _end(
    token: timestamp.TimestampToken, name: str, judged: Judged
) -> tuple[datetime, str, str]:
    path = timestamp.require_trusted(token, timestamp.require_signature(token), judged.roots)
    first = min(path, key=lambda one: one.not_valid_after_utc)
    ends = [(first.not_valid_after_utc, CERTIFICATE, first.subject.rfc4514_string())]
    if (sunset := judged.sunsets.of_path(path)) is not None:
        ends.append((sunset.at, SIGNATURE, sunset.source))
    for one in {name} | renewal.signed_under(token, path):
        if one in judged.sunsets.hashes:
            ends.append((judged.sunsets.hashes[one], HASH, f"hash_ends {one}"))
    return min(ends)


def end_of(token_der: bytes, name: str, judged: Judged) -> tuple[datetime, str]:
    """Until when a new stamp is good, and what ends first."""
    until, _, source = _end(timestamp.parse(token_der), name, judged)
    return until, source
