"""The grammar of mounts: ``path``, ``host:container``, ``host:container:ro``, ``scheme://resource:container``."""

import re
from collections.abc import Iterable

from toolhive_api.models.verdicts import Rejection
from toolhive_common.errors import ErrorCode
from toolhive_common.schemas.permissions import PermissionProfile

__all__ = ["refuse_mounts"]

_FORBIDDEN = re.compile(r"[$&;|`\x00]")
_MODES = frozenset({"ro", "rw"})


def refuse_mounts(volumes: Iterable[str], profile: PermissionProfile | None) -> Rejection | None:
    """Name the first mount that no engine should be given."""
    for text in volumes:
        if problem := _problem(text, may_have_mode=True):
            return _invalid("volumes", text, problem)
    for text in (*profile.read, *profile.write) if profile else ():
        if problem := _problem(text, may_have_mode=False):
            return _invalid("permission_profile", text, problem)
    return None


def _invalid(where: str, text: str, problem: str) -> Rejection:
    return Rejection(
        ErrorCode.INVALID_MOUNT, f"{where}: mount {text[:200]!r} {problem}; use '/path/here:/path/in/container'"
    )


def _problem(text: str, *, may_have_mode: bool) -> str:
    if _FORBIDDEN.search(text):
        return "holds a character that mounts may not hold"
    if "://" in text:
        scheme, _, rest = text.partition("://")
        resource, separator, target = rest.partition(":")
        whole = scheme and resource and separator and target.startswith("/") and ":" not in target
        return "" if whole else "is not of the form scheme://resource:/path"
    parts = text.split(":")
    if may_have_mode and len(parts) == 3 and parts.pop() not in _MODES:  # noqa: PLR2004  # source, target, mode
        return "has a mode that is neither ro nor rw"
    if not all(parts) or len(parts) > 2 or (may_have_mode and len(parts) != 2):  # noqa: PLR2004  # source, target
        return "does not consist of two paths"
    if not parts[-1].startswith("/"):
        return "has no absolute path in the container"
    return ""
