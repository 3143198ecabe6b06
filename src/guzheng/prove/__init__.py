"""Station 6, prove (举证): a package that a stranger checks offline, without asking us.

Takes exhibits whose road is walked, and the trust that was in force; gives one zip in the one
form of docs/spec/package.md. May fail: `Refused` when a paper is missing or a kept byte is not
the one that its manifest names.
"""

from guzheng.prove.packing import Exhibit, write_package
from guzheng.prove.recipe import recipe

__all__ = ["Exhibit", "recipe", "write_package"]
