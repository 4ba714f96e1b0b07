"""Changes the headers that go on to the server. Their values may be keys: nothing here writes them anywhere else."""

from toolhive_common.middleware.parts import HeaderForwarding
from toolhive_proxy.decisions.proxy_headers import tells_who_asks
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Header

__all__ = ["drop_proxy_headers", "drop_what_is_ours", "encoded_headers", "header_gate"]

_COOKIE = b"cookie"


def encoded_headers(part: HeaderForwarding) -> list[Header]:
    """Write the headers of a workload."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in part.headers]


def header_gate(part: HeaderForwarding) -> Gate:
    """Make the gate that sets a workload's own headers, in place of the client's of the same names."""
    added = encoded_headers(part)
    names = frozenset(name for name, _ in added)

    def forward(context: RequestContext) -> None:
        context.headers = [header for header in context.headers if header[0] not in names] + added

    return forward


def drop_proxy_headers(context: RequestContext) -> None:
    """Drop what a client claims about who asks; for workloads without ``trust_proxy_headers``."""
    headers = context.headers
    for name, _ in headers:
        if tells_who_asks(name):
            context.headers = [header for header in headers if not tells_who_asks(header[0])]
            return


def drop_what_is_ours(context: RequestContext) -> None:
    """Keep from a server elsewhere what is between the client and this proxy: cookies, and who asks from where."""
    headers = context.headers
    context.headers = [each for each in headers if each[0] != _COOKIE and not tells_who_asks(each[0])]
