"""Broken TLS is refused for its true cause, and the record names it, for each server."""

import base64
import json
import subprocess
import warnings
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.broken_tls import Authority, Broken
from tests.hostile.capturing import capture
from tests.hostile.site import PAGES, Log, Traps, serving

pytestmark = pytest.mark.browser
_POLICIES = "etc/chromium/policies/managed"


class _Frames(Traps):
    """A page with a frame of each site."""

    addresses: dict[str, str]

    def answer(self) -> None:
        if self.path != "/frames-of-tls":
            super().answer()
            return
        frames = "".join(
            f'<iframe src="{one}/{name}"></iframe>' for name, one in self.addresses.items()
        )
        self.send(200, {"content-type": "text/html"}, f"<title>tls</title>{frames}".encode())


def _trusting(folder: Path, root_der: bytes) -> list[str]:
    """A command before the command: the machine has a policy that adds this root."""
    (folder / _POLICIES).mkdir(parents=True)
    policy = {"CACertificates": [base64.b64encode(root_der).decode()]}
    (folder / _POLICIES / "trap.json").write_text(json.dumps(policy))
    script = f'mount --bind "{folder}/etc/chromium" /etc/chromium && exec "$@"'
    before = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("may not mount here")
    return before


def test_each_broken_server_is_refused_for_its_own_cause(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old TLS is deprecated: that is the point
        authority = Authority(tmp_path)
        sites = authority.sites()
    before = _trusting(tmp_path, authority.root_der)
    assert "/expired" not in PAGES
    with ExitStack() as stack:
        at = {one.name: _served(one, stack) for one in sites}
        _Frames.addresses = at
        address = stack.enter_context(serving(partial(_Frames, log=Log())))
        captured = capture(tmp_path, f"{address}/frames-of-tls", before=before)
        assert captured.exit_status == 0, captured.failure
        (tmp_path / "two").mkdir()
        refused = capture(tmp_path / "two", at["expired"], before=before)
    requests = captured.record.requests
    for site in sites:
        (one,) = [one for one in requests if one.url == f"{at[site.name]}/{site.name}"]
        assert site.error in one.why, (site.name, one)
        assert (one.outcome == "recorded") == (not site.error), (site.name, one)
    # The policy that made this possible is a stain on the start, and named.
    assert "grade.clean-start" in captured.record.missing
    assert "trap.json" in json.dumps(captured.environment["missing"])
    assert refused.failure["code"] == "capture.tls-refused"
    assert "expired" in str(refused.failure["found"])


def _served(site: Broken, stack: ExitStack) -> str:
    return stack.enter_context(serving(partial(Traps, log=Log()), tls=site.context))
