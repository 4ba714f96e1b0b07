"""Refuses what a browser was tricked into sending (DNS rebinding)."""

from functools import lru_cache

from toolhive_common.mcp.jsonrpc import Code
from toolhive_common.origin import OriginRule, refuse_host, refuse_origin
from toolhive_proxy.models.gates import Gate, RequestContext
from toolhive_proxy.models.http import Request, Response
from toolhive_proxy.protocol.answers import error_answer

__all__ = ["OriginCheck"]

_REMEMBERED = 128


class OriginCheck:
    """Lets a request pass when its ``Host`` and ``Origin`` may."""

    def __init__(self, rule: OriginRule) -> None:
        self._rule = rule
        self._hosts = lru_cache(maxsize=_REMEMBERED)(self._refuse_host)

    def gate(self, allowed: tuple[str, ...]) -> Gate:
        """Make a workload's gate: the origins that it allows take the place of the rule's."""

        def check(context: RequestContext) -> Response | None:
            return self.check(context.request, allowed)

        return check

    def check(self, request: Request, allowed: tuple[str, ...] = ()) -> Response | None:
        """Refuse a request, or let it pass."""
        named = dict(request.headers)
        host, origin = named.get(b"host", b""), named.get(b"origin", b"")
        problem = self._hosts(host)
        if not problem and origin:
            problem = refuse_origin(self._rule, origin.decode("latin-1"), also=allowed)
        return error_answer(403, Code.INVALID_REQUEST, problem) if problem else None

    def _refuse_host(self, host: bytes) -> str:
        return refuse_host(self._rule, host.decode("latin-1"))
