"""The permission profile: what a server's container may touch."""

from toolhive_common.schemas.base import OmitEmpty

__all__ = ["BUILTIN_PROFILES", "InboundNetwork", "NetworkPermissions", "OutboundNetwork", "PermissionProfile"]


class OutboundNetwork(OmitEmpty):
    """Where the container may connect to."""

    insecure_allow_all: bool = False
    """No egress filter at all."""
    allow_host: tuple[str, ...] = ()
    """Host names; a leading dot covers subdomains."""
    allow_port: tuple[int, ...] = ()


class InboundNetwork(OmitEmpty):
    """Who may connect to the container."""

    allow_host: tuple[str, ...] = ()
    """``Host`` names that are let through."""


class NetworkPermissions(OmitEmpty):
    """Network part of a profile."""

    mode: str = ""
    """The engine's network mode: empty or ``bridge``, ``host``, ``none``, or a network's name."""
    outbound: OutboundNetwork | None = None
    inbound: InboundNetwork | None = None


class PermissionProfile(OmitEmpty):
    """What a container may read, write and reach. Empty means: nothing."""

    name: str = ""
    read: tuple[str, ...] = ()
    """Mounts, read-only: ``path``, ``host:container`` or ``scheme://resource:container``."""
    write: tuple[str, ...] = ()
    """Mounts, read-write; the same grammar."""
    network: NetworkPermissions | None = None
    privileged: bool = False

    @property
    def allows_all_outbound(self) -> bool:
        """Whether the profile puts no limit on outgoing connections."""
        outbound = self.network.outbound if self.network else None
        return bool(outbound and outbound.insecure_allow_all)

    @property
    def has_outbound_list(self) -> bool:
        """Whether outgoing connections are limited to named hosts or ports."""
        outbound = self.network.outbound if self.network else None
        return bool(outbound and not outbound.insecure_allow_all and (outbound.allow_host or outbound.allow_port))


_NONE = PermissionProfile(name="none", network=NetworkPermissions(outbound=OutboundNetwork()))
_NETWORK = PermissionProfile(
    name="network", network=NetworkPermissions(outbound=OutboundNetwork(insecure_allow_all=True))
)

BUILTIN_PROFILES = {"none": _NONE, "stdio": _NONE.model_copy(update={"name": "stdio"}), "network": _NETWORK}
"""Profiles that are known by name. ``stdio`` is ToolHive's older name of ``none``."""
