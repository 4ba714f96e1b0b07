"""Which session a caller means: the id that it was told is of use to nobody else."""

import hashlib

from toolhive_common.mcp.session_ids import shown_part
from toolhive_proxy.models.gates import Identity

__all__ = ["session_key"]


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
