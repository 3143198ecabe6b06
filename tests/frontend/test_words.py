"""Every sentence that the engine's page may say is among those that it is built with."""

import re
import tomllib

import pytest

from guzheng import words
from tools import frontend

PAGE = frontend.FRONTEND / "src" / "page"
# A call with a literal code; the name of the method says below which table it is looked up.
_WHOLE = re.compile(r"words\.say\(\s*\"([a-z.-]+)\"")
_OWN = re.compile(r"this\.say\(\s*\"([a-z-]+)\"")
_BELOW = {"app.ts": "page.engine.", "tracing.ts": "page.engine.trace."}


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_no_code_is_said_without_words(language: str) -> None:
    told = dict(
        frontend._flat(
            tomllib.loads((frontend.WORDS / f"{language}.toml").read_text("utf-8")), ""
        )
    )
    asked = {
        code
        for path in PAGE.glob("*.ts")
        for code in (
            *_WHOLE.findall(path.read_text("utf-8")),
            *(
                _BELOW[path.name] + one
                for one in _OWN.findall(path.read_text("utf-8"))
                if path.name in _BELOW
            ),
        )
    }
    assert len(asked) > 60
    assert not {one for one in asked if one not in told or not one.startswith(frontend.TOLD)}
