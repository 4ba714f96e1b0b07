"""Where a workload's proxy tells its health."""

from urllib.parse import urlsplit, urlunsplit

__all__ = ["health_url"]


def health_url(url: str, name: str) -> str:
    """Find the health check beside the address that clients are told.

    One proxy serves all workloads of a stack, each under its name; a proxy of one workload serves it at the root.
    What follows is the server's own path, and says nothing.
    """
    parts = urlsplit(url)
    before, found, _ = f"{parts.path}/".partition(f"/{name}/")
    return urlunsplit((parts.scheme, parts.netloc, f"{before}/{name}/health" if found else "/health", "", ""))
