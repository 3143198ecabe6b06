"""The limits that an order may lower or raise, with their reasons; all others are in limits."""

from guzheng.capturer.record import Bounds
from guzheng.proof.fields import Fields

USUAL = Bounds(
    wall_seconds=150,  # from start to folder; enforced from outside the event loop too
    page_seconds=60,  # until the page has loaded and been scrolled through
    bytes=512 * 1024 * 1024,  # through the egress, both directions together
    memory_octets=2048 * 1024 * 1024,  # 464 MB were measured with all artefacts
    requests=5000,  # 188 were measured on a heavy page; a runaway makes thousands
)


def read_bounds(value: object) -> Bounds:
    """What an order names; the rest stays as usual."""
    fields = Fields(value, "capture-order.limits")

    def chosen(name: str, usual: int) -> int:
        return fields.count(name) if fields.has(name) else usual

    bounds = Bounds(
        wall_seconds=chosen("wall_seconds", USUAL.wall_seconds),
        page_seconds=chosen("page_seconds", USUAL.page_seconds),
        bytes=chosen("bytes", USUAL.bytes),
        requests=chosen("requests", USUAL.requests),
        memory_octets=chosen("memory_octets", USUAL.memory_octets),
    )
    fields.end()
    return bounds
