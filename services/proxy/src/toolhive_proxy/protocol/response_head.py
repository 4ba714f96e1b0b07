"""The head of a server's response: bytes -> what it says. Of its headers those for the client are kept."""

import re

from toolhive_proxy.models.upstream import ResponseHead
from toolhive_proxy.protocol.fields import MAX_FIELDS, is_field_block, list_items, parse_fields
from toolhive_proxy.protocol.headers import end_to_end

__all__ = ["CHUNKED", "UNTIL_CLOSE", "MalformedResponseError", "parse_response_head"]

CHUNKED = -1
"""Length of a body that comes in chunks."""
UNTIL_CLOSE = -2
"""Length of a body that ends with the connection."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_OURS = frozenset({b"content-length", b"x-request-id"})
_BODILESS = frozenset({204, 304})


class MalformedResponseError(Exception):
    """It is not valid HTTP."""


def parse_response_head(data: bytes) -> ResponseHead:
    """Read a head.

    Parameters
    ----------
    data
        All before the empty line, the CR LF of the last line left out.

    Raises
    ------
    MalformedResponseError
        It breaks a rule.
    """
    line, _, block = data.partition(b"\r\n")
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise MalformedResponseError(f"it begins with {line[:60]!r}")
    block = block + b"\r\n" if block else b""
    if not is_field_block(block):
        raise MalformedResponseError("a header is malformed")
    fields = parse_fields(block)
    if len(fields) > MAX_FIELDS:
        raise MalformedResponseError(f"it has more than {MAX_FIELDS} headers")
    old = found.group(1) == b"0"
    status = int(found.group(2))
    if status == 101:  # noqa: PLR2004  # HTTP's Switching Protocols
        raise MalformedResponseError("it switches to another protocol, which nobody asked for")
    connection = [item for name, value in fields if name == b"connection" for item in list_items(value)]
    return ResponseHead(
        status=status,
        headers=tuple(end_to_end(fields, without=_OURS)),
        length=0 if status in _BODILESS else _length(fields),
        keeps_alive=not old and b"close" not in connection,
    )


def _length(fields: list[tuple[bytes, bytes]]) -> int:
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise MalformedResponseError("the end of its body is not clear")
        return CHUNKED
    if not lengths:
        return UNTIL_CLOSE
    if len(lengths) != 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise MalformedResponseError("its Content-Length is not valid")
    return int(lengths[0])
