"""What this machine, or container, is connected to."""

import ipaddress
from dataclasses import dataclass

__all__ = ["ALL", "Links", "Network"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ALL: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True)
class Links:
    """Its neighbourhood."""

    networks: tuple[Network, ...]
    """Whose hosts reach us without anybody between."""
    gateways: frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]
    """Through whom others do."""
