"""The outside timestamp authorities that the settings name, before anything is asked.

A setting that cannot be carried out is refused at the start: an exhibit must not wait for seals
that nobody can give.
"""

import time
from pathlib import Path

from cryptography import x509

from guzheng import fix
from guzheng.config import Config
from guzheng.fix import rules
from guzheng.proof import policy
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused


def open_further(config: Config) -> fix.FurtherAuthorities:
    """Raises Refused for names, addresses or numbers that make no sense."""
    authorities: dict[str, fix.TimestampAuthority] = {}
    for line in config.authorities:
        found = rules.named(line)
        if found is None or found[0] in authorities:
            raise _refused("authorities: `name address`, each name once and not sm2", line)
        seconds = config.timestamp_seconds
        authorities[found[0]] = fix.HttpAuthority(found[1], timeout_seconds=seconds)
    required = config.authorities_required
    if not 0 <= required <= len(authorities):
        expected = f"authorities_required: from 0 to the {len(authorities)} in authorities"
        raise _refused(expected, str(required))
    if authorities and not config.timestamp_roots:
        raise _refused("timestamp_roots: the roots of the authorities that are asked", "none")
    return fix.FurtherAuthorities(
        authorities,
        roots=roots_of(config),
        required=required,
        spare_seconds=config.timestamp_seconds,
        monotonic=time.monotonic,
    )


def roots_of(config: Config) -> tuple[x509.Certificate, ...]:
    """Of outside authorities alone: our own root vouches for no outside seal."""
    if not config.timestamp_roots:
        return ()
    try:
        return policy.parse_roots(Path(config.timestamp_roots).read_bytes())
    except (OSError, ProofError) as error:
        found = error.found if isinstance(error, ProofError) else str(error.strerror)
        raise _refused(
            "timestamp_roots: a file with certificates in PEM",
            f"{config.timestamp_roots}: {found}",
        ) from error


def _refused(expected: str, found: str) -> Refused:
    return Refused(
        "config.value-refused", expected=expected, found=found[:200], act="mend the setting"
    )
