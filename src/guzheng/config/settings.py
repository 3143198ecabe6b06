"""The table of settings: one line each with its type, its default, and what it says.

docs/settings.md is made from this file. A setting is here because some code reads it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

# In what an installation differs from a Config made by hand: a test or a tool that says nothing
# of the clock asks nobody, one that says nothing of accounts has none, and no browser waits.
INSTALLED: dict[str, object] = {
    "clock_profile": "auto",
    "accounts": "on",
    "captures_waiting": 1,
}
_T = TypeVar("_T")


def _setting(default: _T, says: str) -> _T:
    return field(default=default, metadata={"says": says})


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Each is text in the environment and TOML's own type in the file."""

    data: Path
    operator: str = _setting("", "Name of who runs this installation; printed on certificates")
    operator_filing: str = _setting(
        "", "Filing number of the operator, if there is one; printed on disclosure sheets"
    )
    court_profiles: str = _setting(
        "", "TOML file with limits of courts and media of your own: docs/court-package.md"
    )
    verify_days: int = _setting(
        30, "After so many days a verification counts as old, and whoever files is warned"
    )
    share_addresses: str = _setting(
        "truncated",
        "How the log of a share names who opened it: truncated (the network), whole, none",
    )
    public_url: str = _setting("", "Address others reach this installation at, for the QR code")
    answered_names: tuple[str, ...] = _setting(
        (),
        "Host names under which `serve` answers, besides localhost, addresses, this machine's "
        "name and that of public_url; *: any, so that whoever owns a name may have it point "
        "here and read what his visitors may (DNS rebinding)",
    )
    accounts: str = _setting(
        "off",
        "on: whoever uses the pages signs in, and sees what is his; off: whoever reaches the "
        "server has everything",
    )
    smtp_url: str = field(
        default="",
        repr=False,
        metadata={
            "says": "Server that takes letters to persons, smtps://USER:PASSWORD@HOST:465 or "
            "smtp://…:587; needs mail_from and public_url; empty: the console"
        },
    )
    mail_from: str = _setting("", "Sender of those letters")
    sms_url: str = field(
        default="",
        repr=False,
        metadata={
            "says": "Address of yours that short messages are POSTed to, https:// (http:// on "
            "this machine alone); needs sms_secret and public_url; empty: the console alone"
        },
    )
    sms_secret: str = _setting(
        "", "File (mode 600) with the secret that signs them, whsec_… (Standard Webhooks)"
    )
    sms_prefixes: tuple[str, ...] = _setting(
        ("+86",), "How the numbers begin that short messages go to; no other is written to"
    )
    sms_daily: int = _setting(
        1000, "Short messages a day for each of those, over all numbers (in UTC+08:00)"
    )
    sms_notices: int = _setting(
        200,
        "Kept besides, for each of those, for notices that somebody's sign-in was changed: who "
        "has the day's messages spent must not change a password unseen",
    )
    invitations_open: int = _setting(50, "Invitations of an account that may be open at once")
    invitations_daily: int = _setting(
        100, "Invitations that an account may make within 24 hours, revoked ones too"
    )
    webhooks_most: int = _setting(10, "Webhooks that an account may have in use at once")
    webhooks_daily: int = _setting(
        30, "Webhooks that an account may make within 24 hours, removed ones too"
    )
    webhook_tries: int = _setting(
        10, "How often a message to a webhook is tried before it is given up; 1 to 10"
    )
    webhook_calls: int = _setting(
        30,
        "Tests and repetitions that an account may have sent by hand, and addresses that it "
        "may name in vain, before it must wait, a minute and then twice as long each time; an "
        "hour without one forgives",
    )
    second_step: str = _setting(
        "offered",
        "Who must sign in in two steps (authenticator or passkey), and is led to set it up: "
        "offered (nobody must), operators, everybody; an account's owner can demand it too",
    )
    oidc_issuer: str = _setting(
        "",
        "Identity provider that persons may sign in by (OpenID Connect): its https:// address, "
        "as its tokens name it; needs public_url",
    )
    oidc_client: str = _setting("", "What that provider knows us by (client id)")
    oidc_secret: str = _setting(
        "", "File (mode 600) with the secret it gave us; empty: none, PKCE alone"
    )
    oidc_name: str = _setting("", "What people call that provider, for the button")
    oidc_new_persons: str = _setting(
        "invited",
        "Who may become a person by it alone, with an address it has verified: no (nobody), "
        "invited (under an invitation's link), yes (everybody)",
    )
    oidc_trust_address: str = _setting(
        "no",
        "yes: who has verified an address there signs in as the person of that address here; "
        "no: that person signs in as before, and links it himself",
    )
    session_hours: int = _setting(168, "How long a sign-in lasts at most")
    session_idle_minutes: int = _setting(720, "How long it lasts without a request")
    password_mib: int = _setting(
        64, "Memory of one password hash (Argon2id), in MiB; 19 or more. Four are made at once"
    )
    password_passes: int = _setting(3, "Passes over that memory; 2 or more")
    allow_private: tuple[str, ...] = _setting(
        (), "CIDR blocks that captures may reach though they are private; printed on the record"
    )
    timestamp_url: str = _setting("", "RFC 3161 authority to ask instead of the local one")
    timestamp_roots: str = _setting(
        "", "PEM file with the roots of every outside authority that is asked"
    )
    timestamp_seconds: int = _setting(20, "How long to wait for that authority")
    authorities: tuple[str, ...] = _setting(
        (),
        "Further outside authorities, each `name address`, by priority; each that answers adds "
        "seal.<name>.tsa to an exhibit",
    )
    authorities_required: int = _setting(
        0,
        "How many of them, under distinct roots, must have sealed an exhibit before it goes on",
    )
    clock_profile: str = _setting(
        "evaluation",
        "auto (production as soon as a source of time was reached, and from then on), "
        "production (without one, no timestamps), evaluation (nobody is asked, and every "
        "timestamp says so)",
    )
    time_servers: tuple[str, ...] = _setting(
        (
            "ntp.ntsc.ac.cn",  # 国家授时中心
            "ntp.aliyun.com",
            "ntp.tencent.com",
            "time.cloudflare.com",
            "pool.ntp.org",
        ),
        "NTP servers to ask besides chrony and the kernel, each perhaps with `:port`",
    )
    clock_sources: int = _setting(1, "How many sources of time must agree at least")
    clock_limit_milliseconds: int = _setting(
        1000, "Largest error of the clock under which timestamps are issued; 2 to 1000"
    )
    clock_poll_seconds: int = _setting(64, "How often the sources of time are asked")
    tsa_key: str = _setting(
        "p256", "Kind of the local authority's next key: p256, rsa3072, or pkcs11 (in a device)"
    )
    tsa_warn_days: int = _setting(
        60, "Warn so many days before a certificate of the local authority ends"
    )
    pkcs11_module: str = _setting("", "Path of the PKCS#11 module of the device with keys")
    pkcs11_token: str = _setting("", "Label of the token in that device")
    pkcs11_key: str = _setting(
        "", "Label of the key pair that `guzheng keys rotate` takes next"
    )
    pkcs11_pin: str = field(
        default="",
        repr=False,
        metadata={"says": "PIN of that token; give it in the environment, or in a file"},
    )
    pkcs11_pin_file: str = _setting("", "File that holds that PIN, if the environment does not")
    sm2: str = _setting(
        "auto",
        "SM2 timestamps: auto (where this machine can), required (or it does not start), off",
    )
    tsa_rate: int = _setting(
        50, "Timestamps a second that one client may ask of a process over HTTP; 0: no limit"
    )
    tsa_burst: int = _setting(500, "How many of them at once")
    tsa_per_day: int = _setting(0, "Timestamps a day for one client and process; 0: no limit")
    trusted_proxies: tuple[str, ...] = _setting(
        ("127.0.0.1/32", "::1/128"),
        "CIDR blocks of proxies whose X-Forwarded-For (and, of pages, -Proto) is believed",
    )
    journal_client: str = _setting(
        "keyed",
        "How the issuance journal names who asked: keyed (a keyed hash), address, none",
    )
    audit_copy: str = _setting(
        "",
        "Where events of audit.jsonl go besides: stdout, syslog (of this machine), or syslog "
        "HOST:PORT (UDP); empty: nowhere",
    )
    metrics_port: int = _setting(
        0, "Port on 127.0.0.1 for Prometheus, of serve and tsa; 0: no metrics"
    )
    database_url: str = _setting(
        "",
        "PostgreSQL for index, entries and queue, shared by many machines: "
        "postgresql://USER@HOST:PORT/DATABASE; empty: SQLite files in the data directory",
    )
    s3_bucket: str = _setting(
        "", "Bucket for papers and tiles, shared by many machines; empty: the data directory"
    )
    s3_endpoint: str = _setting("", "Address of the S3 server; empty: Amazon's")
    s3_region: str = _setting("us-east-1", "Region of the bucket")
    s3_keys: str = _setting(
        "",
        "File (mode 600) with the access key and the secret key, one a line; empty: the "
        "environment's (AWS_ACCESS_KEY_ID, …) or the machine's role",
    )
    capture_seconds: int = _setting(180, "Longest time one web capture may take")
    capture_trust_spki: tuple[str, ...] = _setting(
        (),
        "SHA-256 of server keys (base64) trusted without a chain; printed on the record",
    )
    second_resolvers: tuple[str, ...] = _setting(
        (),
        "DNS resolvers to compare with the system's, each ADDRESS or ADDRESS:PORT, at most "
        "four; they learn the names of every captured page's hosts",
    )
    captures_waiting: int = _setting(
        0,
        "Browsers started ahead, once a page was captured, for the next ones; each some 170 MB;"
        " 0: none",
    )
    captures_at_once: int = _setting(
        2, "Captures that one worker process makes at once, from each vantage point"
    )
    vantages: tuple[str, ...] = _setting(
        (),
        "Vantage points, each `name how`: direct, bind ADDRESS, socks ADDRESS:PORT, or "
        "elsewhere (a worker with other settings takes it); the first is the usual one",
    )
    confirm_hours: int = _setting(
        24,
        "After so many hours an order that can be previewed is confirmed by itself; 0: at once",
    )
    given_up_days: int = _setting(
        0,
        "After so many days the files of a capture that was given up are deleted, unless a "
        "legal hold speaks of it; its papers and its entry stay; 0: never",
    )
    quota_units: int = _setting(
        0,
        "Units that an account has in all besides what was granted to it, in place of its "
        "edition's: one for a capture, and with accounts on one for a deposit; 0: as the "
        "edition says, and without accounts no limit",
    )
    default_edition: str = _setting(
        "full", "Edition of an account to which none was granted: docs/operate/editions.md"
    )
    editions: str = _setting("", "TOML file with editions, instead of those that come along")
    editions_url: str = _setting(
        "", "Where an edition can be ordered; told when a function is not in one's own"
    )
    real_names: str = _setting(
        "optional",
        "optional: accounts may use everything, and certificates say that the name is not "
        "verified; required: nothing is captured or deposited before the name is attested",
    )
    name_register: str = _setting(
        "", "Name of a provider that compares names with a register; printed on certificates"
    )
    name_register_url: str = _setting(
        "", "Address of that provider: docs/operate/attest-real-names.md says what it speaks"
    )
    name_register_key: str = _setting("", "File (mode 600) with the key that the provider gave")
    name_document_days: int = _setting(
        90,
        "Documents of identity are deleted so many days after the decision; 0: kept",
    )
    chromium: str = _setting("", "Path of the browser; empty: found on the PATH")
    ledger_keys: tuple[str, ...] = _setting(
        (), "SHA-256 (hex) of the keys that may add commitments of others; none: nobody may"
    )
    ledger_policy: str = _setting(
        "",
        "C2SP tlog-policy file: the witnesses of the ledger and their quorum; without it, none",
    )
    ledger_monitoring: tuple[str, ...] = _setting(
        (), "NAME=URL: where a witness shows what it has seen, if not where it is asked"
    )
    ledger_pushed: tuple[str, ...] = _setting(
        (), "Names of the policy's witnesses that are mirrors: they are sent every entry"
    )
    ledger_mirrors: tuple[str, ...] = _setting(
        (), "Addresses of mirrors of the ledger, which `ledger monitor` compares"
    )
    ledger_witness_seconds: int = _setting(5, "How long to wait for each witness")
    largest_upload: int = _setting(20 * 2**30, "Largest file taken over HTTP, in octets")
    uploads_open: int = _setting(50, "Unfinished uploads that an account may have at once")
    upload_hours: int = _setting(
        72, "After so many hours without an octet an unfinished upload is cleared away"
    )
    replay_port: int = _setting(
        0,
        "Port of a second listener of `serve`, which only plays films and archives; 0: any, "
        "for readers on this machine, and none for others",
    )
    replay_url: str = _setting(
        "", "Address others reach that listener at: a host name of its own; empty: this machine"
    )
    replay_player: str = _setting(
        "",
        "Folder with ui.js and sw.js of ReplayWeb.page 2, which plays captured pages; empty: "
        "where setting up laid them",
    )
    retry_seconds: int = _setting(
        30, "How long a step is tried again at once while an outside party is away"
    )
    anchor_interval_seconds: int = _setting(
        3600, "How long between two checkpoints that are anchored on systems of others"
    )
    anchor_authorities: tuple[str, ...] = _setting(
        (), "RFC 3161 authorities that stamp the ledger's checkpoints, each `name address`"
    )
    anchor_evm_url: str = _setting(
        "", "JSON-RPC address of a node of an Ethereum-compatible network; empty: no such one"
    )
    anchor_evm_chain: int = _setting(1, "Chain id of that network (EIP-155)")
    anchor_evm_contract: str = _setting("", "Address of the contract CheckpointAnchor on it")
    anchor_evm_key: str = _setting(
        "", "File (mode 600) with the private key of the account that anchors, in hexadecimal"
    )
    anchor_calendars: tuple[str, ...] = _setting(
        (), "OpenTimestamps calendars to anchor on, each `name address`"
    )
    renew_months: int = _setting(
        12, "What ends within so many months is renewed by `guzheng keep renew`"
    )
    selfcheck_hours: int = _setting(
        24,
        "After so many hours the installation looks at itself and writes down what it found; "
        "0: never by itself",
    )
    hash_ends: tuple[str, ...] = _setting(
        (), "When a hash algorithm is no longer to be relied on, such as sha256=2040-12-31"
    )
    workers: int = _setting(2, "Exhibits that one worker process walks at once")
