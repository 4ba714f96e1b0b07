"""The connection to the API."""

from toolhive_cli.adapters.api_client import ApiClient
from toolhive_cli.adapters.terminal import debug_line
from toolhive_cli.config import Settings

__all__ = ["open_api"]


def open_api(settings: Settings) -> ApiClient:
    """Make a client of the API that the settings name."""
    return ApiClient(settings.api_url, debug_line if settings.debug else _silent)


def _silent(_line: str) -> None:
    """Tell nobody."""
