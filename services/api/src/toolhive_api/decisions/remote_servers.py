"""Requests for a server that runs elsewhere: it has a URL, and no container."""

from toolhive_api.decisions.refusals import invalid
from toolhive_api.models.verdicts import Rejection
from toolhive_common.remote import InvalidRemoteUrlError, parse_remote_url
from toolhive_common.schemas.runconfig import Transport
from toolhive_common.schemas.workload import CreateRequest

__all__ = ["refuse_logs", "refuse_remote", "remote_transport"]

_TRANSPORTS = (Transport.STREAMABLE_HTTP, Transport.SSE)
_CONTAINERS = (
    "cmd_arguments",
    "volumes",
    "publish",
    "env_vars",
    "permission_profile",
    "target_port",
    "runtime_config",
)
"""Settings of containers. A limit on what does not run here would hold for nothing."""


def remote_transport(request: CreateRequest) -> Transport:
    """How the remote server speaks MCP."""
    return Transport(request.transport) if request.transport else Transport.STREAMABLE_HTTP


def refuse_logs(name: str) -> Rejection:
    """Say why there is nothing to show of what the server wrote."""
    return invalid(f"{name!r} is a remote server: what it writes is kept where it runs; `thv events` shows the rest")


def refuse_remote(request: CreateRequest) -> Rejection | None:
    """Say what is wrong with a request that has a URL."""
    if not request.url:
        return None
    if request.image:
        return invalid("both image and url are given; give the one that shall run")
    try:
        parse_remote_url(request.url)
    except InvalidRemoteUrlError as error:
        return Rejection(error.code, f"url: {error.message}")
    if request.transport and request.transport not in _TRANSPORTS:
        return invalid(
            f"transport {request.transport[:40]!r} cannot reach a remote server; use one of {', '.join(_TRANSPORTS)}"
        )
    given = [name for name in _CONTAINERS if getattr(request, name)]
    if given:
        return invalid(f"a remote server has no container, and {', '.join(given)} no effect; leave it out")
    return None
