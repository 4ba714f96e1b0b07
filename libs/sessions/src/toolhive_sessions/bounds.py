"""How much clients and servers may have us remember of what they say."""

from collections.abc import Mapping
from typing import Any

from toolhive_common.mcp.jsonrpc import Request, encode, meta_of, params_of

__all__ = [
    "LARGEST_CAPABILITIES",
    "LONGEST_NAME",
    "LONGEST_URI",
    "MOST_ASKED",
    "capabilities_too_large",
    "is_bearable",
    "part_too_long",
]

LONGEST_NAME = 1024
"""Characters of an id, a token or a method: SDKs count, or take a UUID."""
LONGEST_URI = 8192
"""Characters of a resource that is subscribed to."""
LARGEST_CAPABILITIES = 16 * 1024
"""Bytes of what a client says that it can do. They last as long as its session; those of SDKs have a few hundred."""
MOST_ASKED = 1000
"""Requests of one process to its clients that are not answered."""


def is_bearable(name: object) -> bool:
    """Whether an id, a token or the like is short enough to be remembered."""
    return not isinstance(name, str) or len(name) <= LONGEST_NAME


def part_too_long(request: Request) -> str | None:
    """Say which part of a request, that has to be remembered until it is answered, is too long for that."""
    token = meta_of(request).get("progressToken")
    for what, name in (("id", request.id), ("method", request.method), ("progressToken", token)):
        if not is_bearable(name):
            return f"the {what} of the request is longer than {LONGEST_NAME} characters"
    uri = params_of(request).get("uri") if request.method == "resources/subscribe" else None
    if isinstance(uri, str) and len(uri) > LONGEST_URI:
        return f"the uri of the request is longer than {LONGEST_URI} characters"
    return None


def capabilities_too_large(params: Mapping[str, Any]) -> str | None:
    """Say that what a client can do, by its ``initialize``, is more than can be remembered."""
    size = len(encode({"capabilities": params.get("capabilities")}))
    if size <= LARGEST_CAPABILITIES:
        return None
    return f"the client's capabilities have {size} bytes, and {LARGEST_CAPABILITIES} at most are taken"
