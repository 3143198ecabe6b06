"""`guzheng ledger prove-fork`: what a log signed against itself, as a file."""

from pathlib import Path

import click

from guzheng.cli.options import common, opened
from guzheng.cli.speaking import Speaker
from guzheng.ledger.forks import prove_fork
from guzheng.proof import policy as policies
from guzheng.proof.errors import ProofError
from guzheng.proof.note import VerifierKey
from guzheng.refusals import Refused

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("prove-fork")
@click.argument("one", type=_FILE, metavar="A")
@click.argument("other", type=_FILE, metavar="B")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="证明 / proof"
)
@click.option(
    "--policy",
    type=_FILE,
    help="日志的公钥（tlog-policy）/ the log's keys; else this ledger's own",
)
@click.option(
    "--tiles", default="", metavar="URL|DIR", help="较大一方的瓦片 / tiles of the larger tree"
)
@common
def prove_fork_command(
    one: Path,
    other: Path,
    out: Path,
    policy: Path | None,
    tiles: str,
    data: Path,
    speaker: Speaker,
) -> int:
    """两个检查点互相矛盾时写出证明 / write the proof that two checkpoints contradict.

    A 和 B：检查点，或 entry.tlog-proof / checkpoints, or papers with one.
    """
    octets = policy.read_bytes() if policy else opened(data).ledger_policy()
    try:
        believed = policies.parse_ledger_policy(octets).logs
    except ProofError as error:
        raise Refused("ledger.no-fork", expected="a tlog-policy", found=str(error)) from error
    keys = [VerifierKey.parse(vkey) for vkey in believed]
    fork = prove_fork(one.read_bytes(), other.read_bytes(), keys, tiles)
    out.write_bytes(fork.encode())
    speaker.note("cli.fork-proved", path=out)
    return 0


COMMANDS = (prove_fork_command,)
