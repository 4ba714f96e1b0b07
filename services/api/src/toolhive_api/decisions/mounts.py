"""The grammar of mounts: ``path``, ``host:container``, ``host:container:ro``."""

import re
from collections.abc import Iterable

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.permissions import PermissionProfile

__all__ = ["refuse_mounts"]

_FORBIDDEN = re.compile(r"[$&;|`\x00]")
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
"""ToolHive's grammar has ``scheme://resource:/path``; no engine here can mount one."""
_MODES = frozenset({"ro", "rw"})


def refuse_mounts(volumes: Iterable[str], profile: PermissionProfile | None) -> Rejection | None:
    """Name the first mount that no engine should be given."""
    wanted = [("volumes", text) for text in volumes]
    wanted += [("permission_profile", text) for text in ((*profile.read, *profile.write) if profile else ())]
    return next((rejection for where, text in wanted if (rejection := _refuse(where, text)) is not None), None)


def _refuse(where: str, text: str) -> Rejection | None:
    code, problem = ErrorCode.INVALID_MOUNT, _problem(text, may_have_mode=where == "volumes")
    if _RESOURCE.match(text):
        code, problem = ErrorCode.UNSUPPORTED_SETTING, "of a resource is not supported by this version"
    if not problem:
        return None
    return Rejection(code, f"{where}: mount {text[:200]!r} {problem}; use '/path/here:/path/in/container'")


def _problem(text: str, *, may_have_mode: bool) -> str:
    if _FORBIDDEN.search(text):
        return "holds a character that mounts may not hold"
    parts = text.split(":")
    if may_have_mode and len(parts) == 3 and parts.pop() not in _MODES:  # noqa: PLR2004  # source, target, mode
        return "has a mode that is neither ro nor rw"
    if not all(parts) or len(parts) > 2 or (may_have_mode and len(parts) != 2):  # noqa: PLR2004  # source, target
        return "does not consist of two paths"
    if not parts[-1].startswith("/"):
        return "has no absolute path in the container"
    return ""
