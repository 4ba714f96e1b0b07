"""Who may connect: where from a connection comes -> whether it is taken.

In the laptop stack the proxy stands in the network of the servers, or it could not call them. They are not to call
it, for each could use all others. What comes through a published port of the machine has the network's gateway for
its sender (or a sender from far away), whichever of the proxy's networks it comes over; a server has an address of
its own.
"""

import ipaddress
from collections.abc import Sequence

from toolhive_proxy.models.links import ALL, Links, Network

__all__ = ["may_connect", "parse_networks"]


def may_connect(peer: str, links: Links, allowed: Sequence[Network]) -> bool:
    """Whether a connection is taken.

    Parameters
    ----------
    peer
        Its sender's address; empty for one that came over no network.
    allowed
        Networks whose hosts may connect though they are neighbours.

    Only IPv4 neighbours are known. Over IPv6, which the stack does not use, nobody may but who is allowed.
    """
    if not peer:
        return True
    address = ipaddress.ip_address(peer)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address in links.gateways or any(address in network for network in allowed):
        return True
    return address.version == 4 and not any(address in network for network in links.networks)  # noqa: PLR2004  # IPv4


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read a list of networks, such as ``172.18.0.0/16, 10.0.0.7``; ``*`` stands for all.

    Raises
    ------
    ValueError
        One of them is no network.
    """
    if text.strip() == "*":
        return ALL
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
