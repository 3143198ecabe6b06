"""While a wheel is made: what browsers get is built into it; who installs it needs no Node.

Where it is built already (an sdist carries it) it is taken as it is. Without Node the wheel is
made without it, and says so; an editable install is `make serve`'s, which builds for itself."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface[Any]):
    """Found by hatchling through pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del build_data
        if version == "editable":
            return
        builder = Path(self.root) / "tools" / "frontend.py"
        done = subprocess.run([sys.executable, str(builder)], check=False)
        if done.returncode == 0:
            return
        ready = Path(self.root) / "src" / "guzheng" / "prove" / "verify.html"
        what = (
            "as it was built before" if ready.is_file() else "left out: the server's form stays"
        )
        self.app.display_warning(f"the page that verifies in the browser: {what}")
