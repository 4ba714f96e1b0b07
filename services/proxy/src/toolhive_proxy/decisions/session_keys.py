"""Which session a caller means: the id that it was told is of use to nobody else.

Where sessions are kept by us, they are kept under a name that holds their caller. A server that keeps its own knows
nobody but by the id: that goes to the client with a seal, which only proxies with the same key can make, and comes
back without.
"""

import hashlib
import hmac
import json

from toolhive_common.mcp.session_ids import shown_part
from toolhive_proxy.models.gates import Identity

__all__ = ["opened", "owner_of", "seal_key", "sealed", "session_key"]

_PURPOSE = b"toolhive: seals of sessions, 1"
_ROUNDS = 100_000
"""Makes it slow to try passwords out on a seal, which every client has: some 50 ms, once in a proxy's life."""
_MARK = b"."
_SEAL = 32
"""Characters of a seal."""


def session_key(session_id: str, caller: Identity | None) -> str:
    """Name a session to whoever keeps it.

    Parameters
    ----------
    session_id
        What the client was told, and tells; empty for none.
    caller
        Who it proved to be. Without claims everybody is the same.
    """
    if not session_id or caller is None or not caller.claims:
        return session_id
    said = "\0".join((session_id, str(caller.claims.get("iss", "")), caller.subject))
    return shown_part(session_id) + hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()


def seal_key(password: str) -> bytes:
    """Make the key of seals out of a secret that all proxies share, and no client knows."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), _PURPOSE, _ROUNDS)


def owner_of(workload: str, caller: Identity | None) -> bytes:
    """Name whose sessions they are: a caller's, at one workload. Empty for a caller that proved nothing."""
    if caller is None or not caller.claims:
        return b""
    return json.dumps([workload, str(caller.claims.get("iss", "")), caller.subject]).encode("ascii")


def sealed(session_id: bytes, owner: bytes, key: bytes) -> bytes:
    """Say to a client what it may call its session at a server that keeps its own."""
    return session_id + _MARK + _seal_of(session_id, owner, key) if owner else session_id


def opened(told: bytes, owner: bytes, key: bytes) -> bytes | None:
    """Find the server's own id in what a client calls its session; ``None`` when the session is not this owner's."""
    if not owner:
        return told
    session_id, mark, seal = told[: -_SEAL - 1], told[-_SEAL - 1 : -_SEAL], told[-_SEAL:]
    good = hmac.compare_digest(seal, _seal_of(session_id, owner, key))
    return session_id if good and mark == _MARK and session_id else None


def _seal_of(session_id: bytes, owner: bytes, key: bytes) -> bytes:
    # Neither holds a NUL: one is the value of a header, the other JSON in ASCII.
    return hmac.digest(key, session_id + b"\0" + owner, "sha256").hex()[:_SEAL].encode()
