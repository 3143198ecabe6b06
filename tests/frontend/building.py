"""What the tests of the front end need: it is built once, or they say why they cannot run."""

from functools import cache
from pathlib import Path

import pytest

from tools import frontend


def node() -> list[str]:
    try:
        return frontend.node()
    except frontend.NoNode as error:
        pytest.skip(f"no Node: {error}")


@cache
def built_library() -> Path:
    try:
        frontend.build()
    except frontend.NoNode as error:
        pytest.skip(f"no Node: {error}")
    return frontend.LIBRARY
