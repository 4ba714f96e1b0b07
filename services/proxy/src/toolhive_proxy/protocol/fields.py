"""The lines of an HTTP head, read by rules that leave nothing to interpretation.

What one server takes for the end of a line or of a name and another does not is how requests are smuggled past a
proxy. So there is one form: a name without spaces, a colon, a value without control characters, CR LF.
"""

import re

from toolhive_proxy.models.http import Header

__all__ = ["MAX_FIELDS", "is_field_block", "list_items", "parse_fields"]

MAX_FIELDS = 100
"""Lines of a head."""

_BLOCK = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+")


def is_field_block(block: bytes) -> bool:
    """Whether all of it is lines of a name and a value, each with its CR LF."""
    return _BLOCK.fullmatch(block) is not None


def parse_fields(block: bytes) -> list[Header]:
    """Read lines that `is_field_block` found good."""
    fields = []
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name.lower(), value.strip(b" \t")))
    return fields


def list_items(value: bytes) -> list[bytes]:
    """Items of a comma-separated value, in lower case."""
    return [item.strip(b" \t").lower() for item in value.split(b",")]
