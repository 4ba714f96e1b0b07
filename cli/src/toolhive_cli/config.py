"""What the user set for all commands."""

from dataclasses import dataclass

__all__ = ["DEFAULT_API_URL", "Settings"]

DEFAULT_API_URL = "http://127.0.0.1:8080"


@dataclass
class Settings:
    """Global options. They may stand before or after a command's name, so they are filled in as they are read."""

    api_url: str = DEFAULT_API_URL
    debug: bool = False
