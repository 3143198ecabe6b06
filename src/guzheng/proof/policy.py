"""What a verifier demands: roots for time, the ledger's key, and the quorum of witnesses.

Two files say it, and both are standard: X.509 roots in PEM, and a C2SP tlog-policy. A package
brings the pair its platform used; whoever does not want to believe that gives his own.
"""

from dataclasses import dataclass

from cryptography import x509

from guzheng.proof import chain
from guzheng.proof.errors import Malformed, Undecided

MAX_LINES = 200


@dataclass(frozen=True, slots=True)
class LedgerPolicy:
    """Keys (C2SP vkeys) of the logs that are believed, and the quorum that is demanded."""

    logs: tuple[str, ...]
    quorum: str  # "none" is the only quorum this version can judge


@dataclass(frozen=True, slots=True)
class Trust:
    """None: the verifier was told nothing, and what depends on it is left unchecked."""

    roots: tuple[x509.Certificate, ...] | None = None
    ledger: LedgerPolicy | None = None


def parse_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    return chain.parse_pem_roots(pem)


def parse_ledger_policy(octets: bytes) -> LedgerPolicy:
    """C2SP tlog-policy: `log` lines and one `quorum`; comments and blank lines are skipped."""
    try:
        lines = octets.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise Malformed("policy.malformed", expected="UTF-8", found=str(error)[:80]) from error
    logs: list[str] = []
    quorums: list[str] = []
    for line in lines[:MAX_LINES]:
        words = line.partition("#")[0].split() if line.startswith("#") else line.split()
        match words:
            case []:
                continue
            case ["log", vkey] | ["log", vkey, _]:
                logs.append(vkey)
            case ["quorum", name]:
                quorums.append(name)
            case ["witness" | "group", *_]:
                continue  # named by the quorum, or of no effect
            case _:
                raise Malformed(
                    "policy.malformed",
                    expected="log, witness, group or quorum",
                    found=line[:80],
                )
    if len(lines) > MAX_LINES or not logs or len(quorums) != 1:
        raise Malformed(
            "policy.malformed",
            expected="at least one log and one quorum",
            found=f"{len(logs)} and {len(quorums)}",
        )
    return LedgerPolicy(tuple(logs), quorums[0])


def encode_ledger_policy(policy: LedgerPolicy) -> bytes:
    return "".join(
        [*(f"log {one}\n" for one in policy.logs), f"quorum {policy.quorum}\n"]
    ).encode()


def require_quorum(policy: LedgerPolicy, witnesses: tuple[str, ...]) -> None:
    """The witnesses who cosigned satisfy the policy; «none» is satisfied by nobody's word."""
    if policy.quorum != "none":
        raise Undecided(
            "policy.quorum-unknown",
            expected=f"the quorum {policy.quorum}",
            found=f"{len(witnesses)} cosignatures, not judged",
        )
