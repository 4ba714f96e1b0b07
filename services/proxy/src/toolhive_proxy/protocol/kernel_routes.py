"""Linux's routing table, as ``/proc/net/route`` has it."""

import ipaddress

from toolhive_proxy.models.links import Links, Network

__all__ = ["links_of"]

_HEX = 16


def links_of(table: str) -> Links:
    """Read which networks there are, and which gateways."""
    networks: list[Network] = []
    gateways = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        destination, gateway, mask = (_address(fields[column]) for column in (1, 2, 7))
        if int(gateway):
            gateways.add(gateway)
        else:
            networks.append(ipaddress.ip_network(f"{destination}/{mask}", strict=False))
    return Links(tuple(networks), frozenset(gateways))


def _address(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(text, _HEX).to_bytes(4, "little"))
