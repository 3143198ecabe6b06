"""The kernel says in which order it is read, and leaves none of its modules out."""

import pkgutil
import re

from guzheng import proof


def test_every_module_of_the_kernel_is_in_its_reading_order() -> None:
    said = (proof.__doc__ or "").partition("The order in which to read")[2].partition(":\n")[2]
    order = re.findall(r"\w+", said)
    assert len(order) == len(set(order))
    assert set(order) == {found.name for found in pkgutil.iter_modules(proof.__path__)}


def test_the_kernel_offers_modules_and_nothing_beside_them() -> None:
    """One way to say each name: `timestamp.parse`, never `proof.parse`."""
    offered = {name for name in vars(proof) if not name.startswith("_")}
    assert offered <= {found.name for found in pkgutil.iter_modules(proof.__path__)}
