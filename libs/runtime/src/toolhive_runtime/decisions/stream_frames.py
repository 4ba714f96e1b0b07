"""Taking standard output out of the engine's mix of streams."""

__all__ = ["OutputFrames"]

_HEADER = 8
"""Bytes before each frame: the stream's number, three zeros, and the frame's length."""
_STDOUT = 1


class OutputFrames:
    """Give it what arrives, cut anywhere; it gives back what belongs to standard output.

    A frame's bytes are passed on as they come: nothing waits for the end of a frame, so a line of 20 MB
    needs no 20 MB here.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._wanted = False

    def feed(self, data: bytes) -> list[bytes]:
        """Pieces of standard output, in order."""
        pieces = []
        at = 0
        while at < len(data):
            if self._left == 0:
                take = _HEADER - len(self._header)
                self._header += data[at : at + take]
                at += take
                if len(self._header) < _HEADER:
                    break
                self._wanted = self._header[0] == _STDOUT
                self._left = int.from_bytes(self._header[4:], "big")
                self._header = b""
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._wanted:
                pieces.append(piece)
        return pieces
