"""The press is loaded beside a capture, once, and a certificate waits for it."""

import threading
from collections.abc import Callable

from guzheng.app import Platform
from tests.road.deaths import come_in, silent


def test_a_certificate_waits_for_the_press(
    opened: Callable[[], Platform],
) -> None:
    platform = opened()
    for _ in range(2):
        platform.road.meanwhile()
    assert platform.walk(come_in(platform, "deposit"), silent) == "certified"
    assert not [one for one in threading.enumerate() if one.name == "printing"]
