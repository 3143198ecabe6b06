"""Transcripts: what is typed after `$`, and every line that comes back.

`<…>` stands for what differs each time: `<exhibit>`, `<time>`, `<number>`, `<data>` and so on
match their own form and nothing else. Lines of standard error begin with `! `. The exit status
is written as `= 1` where it is not 0. `GOLDEN=1 pytest tests/cli/test_transcripts.py` writes
them again; read the difference before you believe it.
"""

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Command

FOLDER = Path(__file__).parent / "transcripts"
FORMS = {
    "<exhibit>": r"ex_[0-9A-HJKMNP-TV-Z]{26}",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "<number>": r"GZ-\d{8}-[0-9A-Z]{10}",
    "<serial>": r"(?<=\"serial\":\")[0-9a-f]{20,40}",
    "<ledger>": r"guzheng\.local/[0-9a-f]{8}",
    "<size>": r"\d+(?:\.\d+)? GiB",
    "<octets>": r"\b\d{1,3}(?:,\d{3})+\b",  # of what is signed, which differs each time
}


@pytest.mark.parametrize("name", sorted(one.stem for one in FOLDER.glob("*.txt")))
def test_a_transcript(
    cli: Command, data: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("GUZHENG_SM2", "off")  # the same on a machine that has none
    (tmp_path / "photo.jpg").write_bytes(b"light")
    (tmp_path / "words.txt").write_bytes(b"words")
    (tmp_path / "empty.txt").touch()
    transcript = FOLDER / f"{name}.txt"
    wanted = transcript.read_text("utf-8")
    said: list[str] = []
    known: dict[str, str] = {}
    for line in wanted.splitlines():
        if line.startswith("#"):
            said.append(line)
        if not line.startswith("$ "):
            continue
        typed = line.removeprefix("$ guzheng").replace("<exhibit>", known.get("exhibit", ""))
        ran = cli(*shlex.split(typed))
        found = re.search(FORMS["<exhibit>"], ran.out)
        if found:
            known["exhibit"] = found[0]
        said += ["", line] if said and not said[-1].startswith("#") else [line]
        said += [normal(one, data) for one in ran.out.splitlines()]
        said += [f"! {normal(one, data)}" for one in ran.err.splitlines()]
        if ran.status:
            said.append(f"= {ran.status}")
    text = "\n".join(said) + "\n"
    if os.environ.get("GOLDEN"):
        transcript.write_text(text, "utf-8")
    assert text == wanted


def normal(line: str, data: Path) -> str:
    line = line.replace(str(data.resolve()), "<data>").replace(str(data), "<data>")
    for blank, form in FORMS.items():
        line = re.sub(form, blank, line)
    return line.rstrip()
