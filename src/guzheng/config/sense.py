"""What no installation can be run with: values of the right type that make no sense.

Refused at the start and by name, before anything is opened: `config.value-refused`.
"""

import ipaddress
import re

from guzheng.config.settings import Config
from guzheng.refusals import Refused

_AT_LEAST_ONE = (
    "timestamp_seconds",
    "capture_seconds",
    "retry_seconds",
    "anchor_interval_seconds",
    "ledger_witness_seconds",
    "largest_upload",
    "uploads_open",
    "upload_hours",
    "tsa_burst",
    "workers",
    "captures_at_once",
    "verify_days",
    "clock_sources",
    "clock_poll_seconds",
    "session_hours",
    "session_idle_minutes",
    "invitations_open",
    "invitations_daily",
    "webhooks_most",
    "webhooks_daily",
    "webhook_tries",
    "webhook_calls",
)
_CLOCK_PROFILES = ("auto", "production", "evaluation")
_SERVER = re.compile(
    r"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?|[0-9a-fA-F:]+", re.ASCII
)
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII | re.IGNORECASE)
_ONE_OF = {
    "share_addresses": ("truncated", "whole", "none"),
    "accounts": ("on", "off"),
    "real_names": ("optional", "required"),
    "second_step": ("offered", "operators", "everybody"),
    "oidc_new_persons": ("no", "invited", "yes"),
    "oidc_trust_address": ("no", "yes"),
    "sm2": ("auto", "required", "off"),
    "tsa_key": ("p256", "rsa3072", "pkcs11"),
}
_RESOLVER = re.compile(
    r"\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?|\[[0-9a-fA-F:]+\](:\d{1,5})?|[0-9a-fA-F:]*:[0-9a-fA-F:]*",
    re.ASCII,
)
_ZERO_OR_MORE = (
    "tsa_rate",
    "tsa_per_day",
    "metrics_port",
    "confirm_hours",
    "given_up_days",
    "quota_units",
    "selfcheck_hours",
    "name_document_days",
)


def require_sensible(config: Config) -> None:
    _require_sensible_clock(config)
    _require_sensible_accounts(config)
    for name in _AT_LEAST_ONE:
        if getattr(config, name) < 1:
            raise _refused(f"{name}: at least 1", str(getattr(config, name)))
    for name, values in _ONE_OF.items():
        if getattr(config, name) not in values:
            raise _refused(f"{name}: {', '.join(values)}", repr(getattr(config, name)))
    if config.journal_client not in {"keyed", "address", "none"}:
        raise _refused("journal_client: keyed, address or none", repr(config.journal_client))
    for name in _ZERO_OR_MORE:
        if getattr(config, name) < 0:
            raise _refused(f"{name}: zero or more", str(getattr(config, name)))
    for resolver in config.second_resolvers:
        if len(config.second_resolvers) > 4 or not _RESOLVER.fullmatch(resolver):
            raise _refused(
                "second_resolvers: at most four, such as 223.5.5.5 or [::1]:53", repr(resolver)
            )
    for name in config.answered_names:
        if name != "*" and not _HOST_NAME.fullmatch(name):
            raise _refused("answered_names: host names, without scheme and port", repr(name))
    for block in (*config.allow_private, *config.trusted_proxies):
        try:
            ipaddress.ip_network(block)
        except ValueError as error:
            raise _refused("a CIDR block, such as 127.0.0.0/8", repr(block)) from error


def _require_sensible_accounts(config: Config) -> None:
    """Neither weak password hashes, nor links that lead nowhere. What is wrong with smtp_url is
    said without it: it may hold a password."""
    reachable = bool(config.mail_from and config.public_url) or not config.smtp_url
    called = bool(config.sms_secret and config.public_url) or not config.sms_url
    for expected, right in (
        ("password_mib: 19 to 4096", 19 <= config.password_mib <= 4096),
        ("password_passes: 2 to 100", 2 <= config.password_passes <= 100),
        ("mail_from and public_url, where there is smtp_url", reachable),
        ("sms_secret and public_url, where there is sms_url", called),
        (
            "sms_prefixes: + and digits each, as +86",
            all(re.fullmatch(r"\+[1-9][0-9]{0,5}", one) for one in config.sms_prefixes),
        ),
        ("sms_daily: 1 or more", config.sms_daily >= 1),
        ("sms_notices: 1 or more", config.sms_notices >= 1),
        (
            "public_url, where there is oidc_issuer",
            bool(config.public_url) or not config.oidc_issuer,
        ),
    ):
        if not right:
            raise _refused(expected, "another value")


def _require_sensible_clock(config: Config) -> None:
    wrong = [one for one in config.time_servers if not _SERVER.fullmatch(one)]
    for expected, found in (
        (
            f"clock_profile: {', '.join(_CLOCK_PROFILES)}",
            [] if config.clock_profile in _CLOCK_PROFILES else [config.clock_profile],
        ),
        (
            "clock_limit_milliseconds: 2 to 1000",
            [one for one in (config.clock_limit_milliseconds,) if not 2 <= one <= 1000],
        ),
        ("time_servers: names of servers, each perhaps with :port", wrong),
    ):
        for one in found:
            raise _refused(expected, repr(one))


def _refused(expected: str, found: str) -> Refused:
    return Refused(
        "config.value-refused", expected=expected, found=found, act="mend the setting"
    )
