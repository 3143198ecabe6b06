"""The road with three witness programs of their own processes, one of which is killed."""

from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config, load
from guzheng.refusals import Unavailable
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.witness_programs import running


def test_one_is_killed_and_comes_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    vkey = Platform(Config(data)).ledger.vkey
    with running(tmp_path, ("court", "notary", "school"), [vkey]) as programs:
        lines = "".join(one.line for one in programs)
        file = tmp_path / "ledger.policy"
        file.write_text(f"{lines}group some 2 court notary school\nquorum some\n")
        environment = {
            "GUZHENG_LEDGER_POLICY": str(file),
            "GUZHENG_LEDGER_WITNESS_SECONDS": "20",
        }

        def sealed(platform: Platform, name: str) -> set[str]:
            exhibit = platform.deposit(name, [name.encode()])
            assert platform.walk(exhibit, silent) == "certified"
            entry = platform.exhibit(exhibit).entry
            assert entry is not None
            return {one.name for one in entry.witnesses}

        platform = Platform(load(data, environment=environment))
        assert len(sealed(platform, "a.txt")) >= 2
        programs[1].kill()
        assert sealed(platform, "b.txt") == {"court", "school"}
        # A program that starts now asks them what they have seen; one may be silent.
        platform = Platform(load(data, environment=environment))
        assert sealed(platform, "c.txt") == {"court", "school"}
        programs[2].kill()
        exhibit = platform.deposit("d.txt", [b"d"])
        with pytest.raises(Unavailable, match=r"ledger\.no-quorum"):
            platform.walk(exhibit, silent)
        programs[1].start()  # it remembers what it saw before it was killed
        assert platform.walk(exhibit, silent) == "certified"
        report = platform.entries.monitor((), ())
        outcomes = {one.subject: one.outcome.value for one in report.findings if one.subject}
        assert outcomes == {"court": "passed", "notary": "passed", "school": "not-checked"}
        assert places(platform) == []
