"""What ToolHive sets for every server, over what its user gives."""

from toolhive_common.schemas.runconfig import Transport

__all__ = ["HOST_VARIABLE", "OWN_LABELS", "automatic_names", "automatic_variables", "own_labels"]

HOST_VARIABLE = "MCP_HOST"
"""Address that an HTTP server listens on. Set by the runtime, which alone knows the container's network."""
OWN_LABELS = "toolhive"
"""Prefix of the container labels that users cannot give."""


def automatic_variables(transport: Transport, target_port: int) -> dict[str, str]:
    """Tell a server how it is talked to; all but `HOST_VARIABLE`.

    Parameters
    ----------
    target_port
        Port inside the container that an HTTP server shall listen on.
    """
    variables = {"MCP_TRANSPORT": transport.value}
    if transport is not Transport.STDIO:
        variables |= {"MCP_PORT": str(target_port), "FASTMCP_PORT": str(target_port)}
    return variables


def automatic_names(transport: Transport) -> frozenset[str]:
    """Names of the variables that a user cannot give. A stdio server's port and host are its user's business."""
    names = frozenset(automatic_variables(transport, 0))
    return names if transport is Transport.STDIO else names | {HOST_VARIABLE}


def own_labels(*, name: str, base_name: str, transport: Transport, port: int) -> dict[str, str]:
    """Label a container as ToolHive does.

    Parameters
    ----------
    name
        The container's.
    port
        The one that clients connect to.
    """
    return {
        OWN_LABELS: "true",
        "toolhive-name": name,
        "toolhive-basename": base_name,
        "toolhive-transport": transport.value,
        "toolhive-port": str(port),
    }
