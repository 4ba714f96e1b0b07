"""Reading ``--publish``."""

from toolhive_runtime.errors import InvalidPortError
from toolhive_runtime.runtime import PortBinding

__all__ = ["parse_publish"]

_HIGHEST = 65535
_THIS_MACHINE = "127.0.0.1"


def parse_publish(text: str) -> PortBinding:
    """Read ``host:container``, ``address:host:container`` or ``container``.

    Without an address the port is open to this machine only: it leads past the proxy and its checks, so that other
    machines reach it where the user says so.

    Raises
    ------
    InvalidPortError
        It is none of these.
    """
    *front, container = text.split(":")
    match front:
        case []:
            address, host = _THIS_MACHINE, "0"
        case [host]:
            address = _THIS_MACHINE
        case [address, host]:
            pass
        case _:
            raise InvalidPortError(text)
    return PortBinding(_port(text, container, lowest=1), _port(text, host, lowest=0), address)


def _port(text: str, number: str, *, lowest: int) -> int:
    if not (number.isascii() and number.isdigit() and lowest <= int(number) <= _HIGHEST):
        raise InvalidPortError(text)
    return int(number)
