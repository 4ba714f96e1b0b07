"""What this machine, or container, is connected to now."""

from pathlib import Path

from toolhive_proxy.models.links import ALL, Links
from toolhive_proxy.protocol.kernel_routes import links_of

__all__ = ["read_links"]

_TABLE = Path("/proc/net/route")


def read_links() -> Links:
    """Ask the kernel, each time: a container may be connected to another network while it runs.

    Where it cannot be asked everybody is taken for a neighbour.
    """
    try:
        return links_of(_TABLE.read_text(encoding="ascii"))
    except OSError:
        return Links(ALL, frozenset())
