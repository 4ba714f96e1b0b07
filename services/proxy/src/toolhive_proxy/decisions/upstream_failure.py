"""What went wrong with an HTTP server -> the status and error that its client gets."""

from toolhive_common.mcp.jsonrpc import Code
from toolhive_proxy.models.messages import Kind, Message
from toolhive_proxy.models.replies import Failure
from toolhive_proxy.models.upstream import UpstreamTrouble

__all__ = ["failure_of", "is_safe_to_repeat"]


_STATUS = {
    UpstreamTrouble.UNREACHABLE: 503,
    UpstreamTrouble.LOST: 502,
    UpstreamTrouble.MALFORMED: 502,
    UpstreamTrouble.SILENT: 504,
    UpstreamTrouble.REDIRECTS: 502,
}

_TEXT = {
    UpstreamTrouble.UNREACHABLE: "the server does not accept connections",
    UpstreamTrouble.LOST: "the server closed the connection before it answered",
    UpstreamTrouble.MALFORMED: "the server's answer is not valid HTTP",
    UpstreamTrouble.SILENT: "Timeout: the server did not answer in time",
}


def failure_of(trouble: UpstreamTrouble, workload: str, detail: str) -> Failure:
    """Say it to the client."""
    if trouble is UpstreamTrouble.REDIRECTS:  # to try again changes nothing, and the detail says what does
        return Failure(_STATUS[trouble], Code.SERVER_ERROR, detail)
    cause = f" ({detail})" if detail else ""
    return Failure(
        _STATUS[trouble],
        Code.SERVER_ERROR,
        f"{_TEXT[trouble]}{cause}; try again, and see `thv logs {workload}` if it stays so",
    )


_READS = frozenset({"ping", "initialize", "server/discover", "completion/complete", "prompts/get", "resources/read"})


def is_safe_to_repeat(method: str, message: Message | None) -> bool:
    """Whether a request may be sent a second time when its connection closed before any answer.

    A call of a tool may not: the server may have begun to act on it.
    """
    if method == "GET":
        return True
    if message is None or message.kind is not Kind.REQUEST:
        return False
    return message.method in _READS or message.method.endswith("/list")
