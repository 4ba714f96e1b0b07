"""The head of a request: bytes -> what it says, or the rule that it breaks (RFC 9112).

Stricter than the RFC wherever it leaves a choice: what two readers could understand in two ways is refused.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from toolhive_proxy.errors import HttpRefusedError
from toolhive_proxy.models.http import Header, RequestHead
from toolhive_proxy.protocol.fields import MAX_FIELDS, is_field_block, list_items, parse_fields
from toolhive_proxy.protocol.headers import HOP_BY_HOP

__all__ = ["MAX_HEAD", "MAX_TARGET", "check_partial_head", "parse_request_head", "passes_for_another"]

MAX_HEAD = 64 * 1024
"""Bytes of a request's head."""
MAX_TARGET = 8 * 1024
"""Bytes of a request's path and query."""
_AROUND_TARGET = 40
"""Bytes of a request line besides its target, at most."""

_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([\x21-\x7e]++) HTTP/(\d)\.(\d)")
_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_~%]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_JUDGED = frozenset({b"host", b"origin", b"content-length", b"authorization", b"forwarded", b"x-real-ip"})
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BARE = re.compile(rb"(?<!\r)\n|\r[^\n]")
_START = re.compile(rb"(?:\r\n?)?[A-Z]{0,20}(?: |$)|\r?$")
_SLASH = re.compile(rb"%(2[Ff])")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def check_partial_head(data: bytes) -> None:
    """Refuse early what can never become a good head, though its end did not come yet.

    Raises
    ------
    HttpRefusedError
        It is too large, or no HTTP/1.
    """
    if not _START.match(data):
        raise HttpRefusedError(400, "the request does not begin with an HTTP method; is it TLS on a plain port?")
    if _BARE.search(data):
        raise HttpRefusedError(400, "a line of the request's head does not end with CR LF")
    if len(data) > MAX_TARGET + _AROUND_TARGET and b"\r\n" not in data[2:]:
        raise _address_too_long()
    if len(data) > MAX_HEAD:
        raise _too_large()


def parse_request_head(data: bytes) -> RequestHead:
    """Read a head.

    Parameters
    ----------
    data
        All before the empty line, the CR LF of the last line left out.

    Raises
    ------
    HttpRefusedError
        It breaks a rule.
    """
    if len(data) > MAX_HEAD:
        raise _too_large()
    line, _, block = data.partition(b"\r\n")
    if block:
        block += b"\r\n"
    method, target, old = _read_line(line)
    if not is_field_block(block):
        raise HttpRefusedError(400, "a header is malformed; each is a name, a colon and a value on one line")
    fields = parse_fields(block)
    if len(fields) > MAX_FIELDS:
        raise HttpRefusedError(431, f"the request has more than {MAX_FIELDS} headers; send fewer")
    fields = [field for field in fields if b"_" not in field[0] or not passes_for_another(field[0])]
    known = _Known(fields)
    known.check_origin()
    path, query, raw_path = _read_target(target, known.host(old=old))
    return RequestHead(
        method=method,
        path=path,
        query=query,
        headers=tuple(fields),
        length=known.length(old=old),
        keeps_alive=not old and b"close" not in known.connection,
        expects=known.expects(old=old),
        old=old,
        correlation_id=known.correlation_id,
        raw_path=raw_path,
    )


def _too_large() -> HttpRefusedError:
    return HttpRefusedError(431, f"the request's head is larger than {MAX_HEAD} bytes; send fewer or shorter headers")


def _address_too_long() -> HttpRefusedError:
    return HttpRefusedError(414, f"the request's address is longer than {MAX_TARGET} bytes")


def passes_for_another(name: bytes) -> bool:
    """Whether a name with underscores is, to servers that make no difference, one that is judged here with dashes."""
    dashed = name.replace(b"_", b"-")
    return dashed in _JUDGED or dashed in HOP_BY_HOP or dashed.startswith((b"x-forwarded-", b"mcp-session-"))


def _read_line(line: bytes) -> tuple[str, bytes, bool]:
    """Method, target, and whether it is HTTP/1.0."""
    if len(line) > MAX_TARGET + _AROUND_TARGET:
        raise _address_too_long()
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise HttpRefusedError(400, "the request line is not `METHOD /path HTTP/1.1`")
    method, target, major, minor = found.groups()
    if major != b"1" or minor not in b"01":
        raise HttpRefusedError(505, "this server speaks HTTP/1.1")
    if len(target) > MAX_TARGET:
        raise _address_too_long()
    return method.decode(), target, minor == b"0"


def _read_target(target: bytes, host: bytes) -> tuple[str, str, str]:
    """Path, query, and the path as it came, of an address, which may be whole (``http://host/path``)."""
    if not target.startswith(b"/"):
        scheme, _, rest = target.partition(b"://")
        authority, slash, path = rest.partition(b"/")
        agrees = authority and authority.lower() == host.lower()
        if scheme.lower() not in {b"http", b"https"} or not agrees:
            raise HttpRefusedError(400, "the request's address must be a path, or agree with the Host header")
        target = slash + path or b"/"
    path, _, query = target.partition(b"?")
    if b"#" in target or _BAD_ESCAPE.search(path):
        raise HttpRefusedError(400, "the request's address has a character that must be percent-encoded")
    try:
        # An encoded slash parts nothing: a proxy before this one saw none there.
        text = (unquote_to_bytes(_SLASH.sub(rb"%25\1", path)) if b"%" in path else path).decode()
    except UnicodeDecodeError:
        raise HttpRefusedError(400, "the request's path is not UTF-8") from None
    if "\0" in text:
        raise HttpRefusedError(400, "the request's path holds a NUL")
    return text, query.decode("latin-1"), path.decode("latin-1")


class _Known:
    """The headers that the server itself obeys."""

    def __init__(self, fields: Sequence[Header]) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in fields:
            self._values.setdefault(name, []).append(value)
        self.connection = [item for value in self._of(b"connection") for item in list_items(value)]
        self.correlation_id = next(iter(self._of(b"x-request-id")), b"").decode("latin-1")

    def _of(self, name: bytes) -> list[bytes]:
        return self._values.get(name, [])

    def host(self, *, old: bool) -> bytes:
        """The one ``Host``, which HTTP/1.0 may leave out."""
        hosts = self._of(b"host")
        if old and not hosts:
            return b""
        if len(hosts) != 1 or _HOST.fullmatch(hosts[0]) is None:
            raise HttpRefusedError(400, "a request must have one valid Host header")
        return hosts[0]

    def check_origin(self) -> None:
        """Refuse several: whoever looks at one of them may look at the wrong one."""
        if len(self._of(b"origin")) > 1:
            raise HttpRefusedError(400, "a request may have one Origin header")

    def length(self, *, old: bool) -> int:
        """Length of the body, ``-1`` for chunks. Never both, never two, never one that is no plain number."""
        lengths, codings = self._of(b"content-length"), self._of(b"transfer-encoding")
        if codings:
            if lengths or old:
                raise HttpRefusedError(400, "Transfer-Encoding goes with HTTP/1.1 and without Content-Length only")
            if len(codings) != 1 or codings[0].lower() != b"chunked":
                raise HttpRefusedError(400, "the only Transfer-Encoding that is understood is `chunked`")
            return -1
        if not lengths:
            return 0
        if len(lengths) != 1 or _LENGTH.fullmatch(lengths[0]) is None:
            raise HttpRefusedError(400, "a request may have one Content-Length, which is a number")
        return int(lengths[0])

    def expects(self, *, old: bool) -> bool:
        """Whether the client waits for ``100 Continue``, the only expectation there is."""
        expected = self._of(b"expect")
        if not expected:
            return False
        if len(expected) != 1 or expected[0].lower() != b"100-continue":
            raise HttpRefusedError(417, "the only expectation that is understood is `100-continue`")
        return not old
