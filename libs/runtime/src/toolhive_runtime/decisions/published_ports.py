"""Reading ``--publish``."""

from toolhive_runtime.errors import InvalidPortError
from toolhive_runtime.runtime import PortBinding

__all__ = ["parse_publish"]

_HIGHEST = 65535


def parse_publish(text: str) -> PortBinding:
    """Read ``host:container``, ``address:host:container`` or ``container``.

    Raises
    ------
    InvalidPortError
        It is none of these.
    """
    *front, container = text.split(":")
    match front:
        case []:
            address, host = "", "0"
        case [host]:
            address = ""
        case [address, host]:
            pass
        case _:
            raise InvalidPortError(text)
    return PortBinding(_port(text, container, lowest=1), _port(text, host, lowest=0), address)


def _port(text: str, number: str, *, lowest: int) -> int:
    if not (number.isascii() and number.isdigit() and lowest <= int(number) <= _HIGHEST):
        raise InvalidPortError(text)
    return int(number)
