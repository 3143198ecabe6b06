"""The Python that runs us, to run another program of ours with.

Where Linux says which program that is, it can be started even by a user who could not walk to
it by its path; `sys.executable` still goes first among the arguments, since Python finds its
libraries by it.
"""

import sys
from pathlib import Path

_SELF = Path("/proc/self/exe")
EXECUTABLE = str(_SELF) if _SELF.exists() else sys.executable
