"""Reading what a user wants of a server's pod: a pod template, as JSON."""

import json
from typing import Any

from toolhive_runtime.errors import InvalidPodPatchError

__all__ = ["parse_pod_patch"]

_MAPPINGS = ("metadata", "spec")


def parse_pod_patch(text: str) -> dict[str, Any]:
    """Read a pod template; an empty text is an empty one.

    Raises
    ------
    InvalidPodPatchError
        It is no JSON, or no pod template. The message quotes nothing of it: it may hold secrets.
    """
    if not text.strip():
        return {}
    try:
        patch = json.loads(text)
    except ValueError as error:
        raise InvalidPodPatchError(f"it is no JSON ({error})") from None
    if not isinstance(patch, dict):
        raise InvalidPodPatchError("it is no object")
    for key in _MAPPINGS:
        if not isinstance(patch.get(key) or {}, dict):
            raise InvalidPodPatchError(f"its {key!r} is no object")
    spec = patch.get("spec") or {}
    for key in ("containers", "volumes"):
        found = spec.get(key) or []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise InvalidPodPatchError(f"its 'spec.{key}' is no list of objects")
    return {key: patch[key] for key in _MAPPINGS if patch.get(key)}
