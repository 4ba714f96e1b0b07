"""Which tools clients know of, and under which names: both ways.

A tool is shown under a name only when a call of this name reaches that tool. So a name that an override gave to
another tool, and the old name of a tool that got a new one, exist for nobody.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolhive_common.middleware.parts import ToolRules

__all__ = ["ToolNames", "encode_header"]


@dataclass(frozen=True)
class ToolNames:
    """The rules of one workload, ready for use."""

    rules: ToolRules
    actual: Mapping[str, str]
    """Names that overrides gave to the server's own."""

    @classmethod
    def of(cls, rules: ToolRules) -> "ToolNames":
        """Make them ready."""
        given = {override.name: actual for actual, override in rules.overrides.items() if override.name}
        return cls(rules, given)

    def actual_name(self, shown: str) -> str | None:
        """Name of a tool as clients know it -> the server's own; ``None`` when clients know no such tool."""
        if self.rules.filter and shown not in self.rules.filter:
            return None
        actual = self.actual.get(shown, shown)
        return actual if self._shown_name(actual) == shown else None

    def _shown_name(self, actual: str) -> str:
        override = self.rules.overrides.get(actual)
        return override.name if override and override.name else actual

    def rewrite(self, result: dict[str, Any]) -> dict[str, Any]:
        """Result of ``tools/list`` -> what the client gets. All else in it stays as it is."""
        tools = result.get("tools")
        if not isinstance(tools, list):
            return result
        return result | {"tools": [shown for tool in tools if (shown := self._rewrite_tool(tool)) is not None]}

    def _rewrite_tool(self, tool: Any) -> dict[str, Any] | None:
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            return None
        name = tool["name"]
        shown = self._shown_name(name)
        if self.actual_name(shown) != name:
            return None
        override = self.rules.overrides.get(name)
        if override is None:
            return tool
        described = {"description": override.description} if override.description else {}
        return tool | {"name": shown} | described


_BEGIN, _END = "=?base64?", "?="


def encode_header(name: str) -> str:
    """Write an ``Mcp-Name`` header; as base64 where the plain name is no header's value.

    `toolhive_proxy.decisions.modern_rules.header_text` reads it.
    """
    plain = name.isascii() and name.isprintable() and name == name.strip() and not name.startswith(_BEGIN)
    return name if plain else f"{_BEGIN}{base64.b64encode(name.encode()).decode()}{_END}"
