"""What is kept of a stdio server's handshake on its StatefulSet, so that the next proxy needs no second one."""

import json

from toolhive_sessions.effects import Handshake

__all__ = ["PROCESS_NOTE", "known_from", "note_of"]

PROCESS_NOTE = "toolhive.stacklok.dev/stdio-handshake"
"""Annotation of the StatefulSet. Not of its pods: a change there would restart them."""
_LONGEST = 128 * 1024
"""Bytes. A cluster takes 256 KiB of annotations for one object."""


def note_of(run: str, handshake: Handshake) -> str:
    """Write down what is known of a process; empty when it is too long to be kept, and the server is asked anew.

    Parameters
    ----------
    run
        Names the process.
    """
    note = json.dumps(
        {
            "run": run,
            "params": handshake.params,
            "result": handshake.result,
            "initialized": handshake.initialized,
            "modern": handshake.modern,
        },
        separators=(",", ":"),
        default=dict,
    )
    return note if len(note) <= _LONGEST else ""


def known_from(note: str, run: str) -> Handshake | None:
    """Read what is known of a process; ``None`` when the note is about another one, or is none."""
    try:
        told = json.loads(note or "null")
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("run") != run:
        return None
    params, result = told.get("params"), told.get("result")
    if not isinstance(params, dict) or not isinstance(result, dict):
        return None
    return Handshake(params, result, bool(told.get("initialized")), bool(told.get("modern")))
