"""Writes the tables that documents take from the code; `--check` fails when one is stale.

docs/settings.md   from config.Config
docs/cli.md        from the commands' own help
docs/codes.md      from the catalogues of words
docs/audit.md      the counts of lines between its two marks
"""

import argparse
import ast
import io
import sys
import tokenize
from dataclasses import fields
from pathlib import Path

import click

from guzheng import words
from guzheng.cli.main import commands
from guzheng.config import FILE, INSTALLED, PREFIX, Config

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PROOF = ROOT / "src" / "guzheng" / "proof"
BEGIN, END = "<!-- counts -->\n", "<!-- end of counts -->\n"
# In the order in which one should read them, with why.
READING = (
    ("report", "what an answer is: three values"),
    ("errors", "why a proof is refused"),
    ("digest", "how a record refers to bytes"),
    ("canonical", "the one spelling of JSON"),
    ("instant", "the one spelling of a time"),
    ("fields", "reading a parsed paper"),
    ("manifest", "what was received; the leaf"),
    ("capture", "the record of a web capture"),
    ("der", "a strict reader of DER"),
    ("shapes", "what two pieces of DER have in common"),
    ("sm2", "SM2 signatures, in plain arithmetic"),
    ("sm2_x509", "SM2 keys and signatures of certificates"),
    ("cms", "signed data with one signer"),
    ("chain", "a certificate's path, at a given time"),
    ("timestamp", "RFC 3161"),
    ("tree", "Merkle tree"),
    ("tiles", "which hash lives in which tile"),
    ("note", "signed notes and checkpoints"),
    ("tlogproof", "the proof of an entry"),
    ("subtree", "a part of a log's tree, cosigned"),
    ("fork", "the proof that a log forked"),
    ("shard", "how the shards of a ledger hang together"),
    ("policy", "whom the verifier believes"),
    ("certificate", "what the certificate says, derived"),
    ("pdf", "whether a signed PDF is whole"),
    ("package", "members, listing, zip"),
    ("steps", "carrying them out one by one"),
    ("renewal", "RFC 4998: old timestamps renewed"),
    ("anchors", "receipts of the checkpoint elsewhere"),
    ("later", "receipts and renewals, step by step"),
    ("moments", "the stamps of a capture while it was under way"),
    ("exhibit", "the numbered steps"),
    ("verify", "packages, files, certificates"),
    ("identifiers", "numbers of residents and enterprises"),
)
# What may be left unread where it is not asked about.
APART = (
    ("SM2", ("sm2", "sm2_x509")),
    (
        "the certificate's words and print, the package's form",
        ("certificate", "pdf", "package"),
    ),
    (
        "receipts, renewals and moments of captures, that an exhibit may have",
        ("renewal", "anchors", "later", "moments"),
    ),
    (
        "the ledger as a whole: witnesses, mirrors, monitors",
        ("tiles", "subtree", "fork", "shard"),
    ),
    ("numbers of applicants and parties, on which no verdict rests", ("identifiers",)),
)


def settings() -> str:
    lines = [
        "# Settings",
        "",
        f"From the command line, else `{PREFIX}<NAME>` in the environment, else `DATA/{FILE}`,",
        "else the default. Lists are separated by commas in the environment.",
        "Made by `tools/docs.py`.",
        "",
        "| setting | default | what it does |",
        "|---|---|---|",
    ]
    for one in fields(Config):
        if one.name != "data":
            value = INSTALLED.get(one.name, one.default)
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            default = f"`{text}`" if text else ""
            lines.append(f"| `{one.name}` | {default} | {one.metadata['says']} |")
    return "\n".join(lines) + "\n"


def cli() -> str:
    lines = [
        "# Commands",
        "",
        "Every command takes `--data DIR`, `--json` and `--lang zh|en`, but for `mirror`,",
        "`transcript` and `witness`, which are programs of their own: `guzheng mirror --help`",
        "says what it takes.",
        "Made by `tools/docs.py`.",
        "",
    ]
    context = click.Context(commands, info_name="guzheng", **commands.context_settings)
    return "\n".join(lines + helps(commands, context))


def helps(group: click.Group, context: click.Context) -> list[str]:
    """A section for each command, and for those of its groups."""
    lines = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            inner = click.Context(
                command, info_name=name, parent=context, terminal_width=88, max_content_width=88
            )
            title = inner.command_path
            lines += [f"## {title}", "", "```", command.get_help(inner), "```", ""]
            if isinstance(command, click.Group):
                lines += helps(command, inner)
    return lines


def codes() -> str:
    zh, en = words.catalogue("zh"), words.catalogue("en")
    families = (
        "accounts",
        "anchor",
        "capture",
        "cases",
        "certify",
        "clock",
        "commission",
        "compare",
        "config",
        "cosigner",
        "exhibit",
        "fix",
        "intake",
        "jobs",
        "keep",
        "ledger",
        "mirror",
        "name",
        "package",
        "paper",
        "proof",
        "replay",
        "road",
        "serve",
        "sharing",
        "store",
        "upload",
        "verify",
        "web",
        "webhooks",
        "witness",
    )
    lines = [
        "# Codes",
        "",
        "What every code means; `proof.` stands before those that reports carry.",
        "Made by `tools/docs.py`.",
        "",
        "| code | 中文 | English |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{code}` | {zh[code]} | {en[code]} |"
        for code in sorted(zh)
        if code.partition(".")[0] in families
    ]
    return "\n".join(lines) + "\n"


def code_lines(source: str) -> int:
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            text = node.body[0]
            documented.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    silent = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            held.update(range(token.start[0], token.end[0] + 1))
    return len(held - documented)


def counts() -> str:
    names = {path.stem for path in PROOF.glob("*.py")} - {"__init__"}
    if names != {name for name, _ in READING}:
        odd = names ^ {name for name, _ in READING}
        raise SystemExit(f"tools/docs.py: the reading order lacks or invents {odd}")
    lines, held = ["| read | for | lines of code |", "|---|---|---:|"], dict[str, int]()
    for name, why in READING:
        held[name] = code_lines((PROOF / f"{name}.py").read_text("utf-8"))
        lines.append(f"| `proof/{name}.py` | {why} | {held[name]} |")
    total = sum(held.values())
    lines.append(
        f"| | **in all** (blank lines, comments and docstrings not counted) | **{total}** |"
    )
    for what, names_apart in APART:
        count = sum(held[name] for name in names_apart)
        total -= count
        lines.append(f"| | of these {what} | {count} |")
    lines.append(f"| | **what bytes, time and place in the ledger rest on** | **{total}** |")
    return "\n".join(lines) + "\n"


def audit() -> str:
    text = (DOCS / "audit.md").read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}{counts()}{END}{after}"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    check: bool = arguments.parse_args().check
    stale = []
    for name, text in (
        ("settings.md", settings()),
        ("cli.md", cli()),
        ("codes.md", codes()),
        ("audit.md", audit()),
    ):
        path = DOCS / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run tools/docs.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
