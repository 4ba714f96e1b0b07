"""Which arguments of which tool callers repeat in headers (2026-07-28), learnt from the server itself."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from toolhive_common.errors import ToolHiveError
from toolhive_common.mcp.eras import MODERN_VERSIONS
from toolhive_common.mcp.jsonrpc import parse, request_body
from toolhive_common.mcp.port import Note, Verb
from toolhive_common.schemas.state import WorkloadKey
from toolhive_proxy.decisions.modern_rules import ParameterHeader, judge_parameters, parameter_headers
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.messages import Message
from toolhive_proxy.models.routes import Route
from toolhive_proxy.protocol.headers import MCP_PARAM
from toolhive_proxy.services.sessions import Sessions

__all__ = ["ToolHeaders"]

_log = structlog.get_logger(__name__)
_FRESH = 30.0
"""Seconds that what a server said of its tools is taken for true."""
_PAGES = 50
_PATIENCE = 10.0
_META: Mapping[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": MODERN_VERSIONS[0],
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "toolhive-proxy", "version": "1"},
}

_Tools = Mapping[str, tuple[ParameterHeader, ...]]


class ToolHeaders:
    """Keeps what each workload's tools ask for.

    Parameters
    ----------
    clock
        Seconds, of any steady clock.
    """

    def __init__(self, sessions: Sessions, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._clock = clock
        self._known: dict[WorkloadKey, tuple[str, float, _Tools]] = {}

    async def refuse(self, context: RequestContext, message: Message) -> Refusal | None:
        """Refuse a call of a tool whose headers do not repeat its arguments."""
        if message.method != "tools/call":
            return None
        headers = {
            name[len(MCP_PARAM) :].decode("latin-1"): value.decode("latin-1")
            for name, value in context.request.headers
            if name.startswith(MCP_PARAM)
        }
        name = (message.params or {}).get("name")
        tools, fresh = await self._tools(context.route)
        refusal = judge_parameters(message, tools.get(str(name), ()), headers)
        if refusal is not None and not fresh:  # the tool may have changed since
            self._known.pop(context.route.key, None)
            tools, _ = await self._tools(context.route)
            refusal = judge_parameters(message, tools.get(str(name), ()), headers)
        return refusal

    async def _tools(self, route: Route) -> tuple[_Tools, bool]:
        """What the tools ask for, and whether the server said so just now."""
        known = self._known.get(route.key)
        if known is not None and known[0] == route.attachment and self._clock() - known[1] < _FRESH:
            return known[2], False
        try:
            tools = await self._ask(route)
        except (ToolHiveError, TimeoutError, ValueError) as error:
            _log.info("a server did not list its tools", workload=route.key.name, cause=str(error)[:200])
            tools = {}  # kept as well: a server that says nothing would cost every call the whole patience
        self._known[route.key] = route.attachment, self._clock(), tools
        return tools, True

    async def _ask(self, route: Route) -> _Tools:
        tools: dict[str, tuple[ParameterHeader, ...]] = {}
        cursor: object = None
        for page in itertools.count(1):
            params: dict[str, Any] = {"_meta": _META} | ({"cursor": cursor} if cursor else {})
            data = request_body(page, "tools/list", params)
            async with self._sessions.ask(route, Verb.CALL_MODERN, caller=None, data=data) as inbox:
                inbox.unwanted = True
                item = await inbox.get(_PATIENCE)
            answer = parse(item.data) if item.note is Note.FINAL else {}
            result = answer.get("result") if isinstance(answer, dict) else None
            if not isinstance(result, dict):
                break
            tools |= _marked_tools(result.get("tools"))
            cursor = result.get("nextCursor")
            if not cursor or page == _PAGES:
                break
        return tools


def _marked_tools(listed: object) -> _Tools:
    """Tools whose callers repeat arguments, of one page. Whatever else servers list is passed over."""
    objects = [tool for tool in listed if isinstance(tool, dict)] if isinstance(listed, list) else []
    found = {str(tool.get("name")): parameter_headers(tool.get("inputSchema")) for tool in objects}
    return {name: marked for name, marked in found.items() if marked}
