"""Whether the proxy serves a workload."""

import httpx

from toolhive_cli.adapters.api_client import open_client

__all__ = ["HealthProbe"]

_PROBE_TIMEOUT = httpx.Timeout(5)
_OK = 200


class HealthProbe:
    """Asks a workload's front for its health."""

    async def problem(self, health: str) -> str:
        """Say why the workload whose health is told there does not answer yet; empty when it does."""
        try:
            async with open_client(health, _PROBE_TIMEOUT) as http:
                response = await http.get(health)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return f"{health} does not answer ({str(error) or type(error).__name__})"
        if response.status_code == _OK:
            return ""
        return f"{health} answers with status {response.status_code}{_told(response)}"


def _told(response: httpx.Response) -> str:
    """Find what ToolHive's health JSON says is wrong."""
    try:
        reason = response.json()["mcp"]["error"]
    except (ValueError, LookupError, TypeError):
        return ""
    return f" ({reason})"
