"""Mounts of a permission profile and of ``--volume``, read and put in order."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from toolhive_common.schemas.permissions import PermissionProfile
from toolhive_runtime.errors import InvalidMountError, UnsupportedSettingError
from toolhive_runtime.runtime import Mount

__all__ = ["MountPlan", "parse_mount", "parse_volume", "plan_mounts"]

_FORBIDDEN = re.compile(r"[$&;|`\x00]")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MODES = {"ro": True, "rw": False}


@dataclass(frozen=True)
class MountPlan:
    """The mounts of a container."""

    mounts: tuple[Mount, ...]
    skipped: tuple[Mount, ...]
    """Left out, because an earlier one has the same target. Worth a warning."""


def plan_mounts(profile: PermissionProfile, volumes: Sequence[str], *, base_folder: str) -> MountPlan:
    """Put together what a profile and the user want mounted: ``read``, then ``write``, then volumes.

    The first mount of a target counts, so that no volume widens what the profile allows to read only.

    Parameters
    ----------
    base_folder
        Where relative paths of the host start; empty = nowhere, they are refused.

    Raises
    ------
    InvalidMountError
        A mount breaks the grammar.
    UnsupportedSettingError
        A mount of a resource (``scheme://…``) instead of a path.
    """
    wanted = [parse_mount(text, read_only=True, base_folder=base_folder) for text in profile.read]
    wanted += [parse_mount(text, read_only=False, base_folder=base_folder) for text in profile.write]
    wanted += [parse_volume(text, base_folder=base_folder) for text in volumes]
    mounts: dict[str, Mount] = {}
    skipped = []
    for mount in wanted:
        if mount.target in mounts:
            skipped.append(mount)
        else:
            mounts[mount.target] = mount
    return MountPlan(tuple(mounts.values()), tuple(skipped))


def parse_volume(text: str, *, base_folder: str) -> Mount:
    """Read ``host:container``, ``host:container:ro`` or ``host:container:rw``."""
    head, colon, mode = text.rpartition(":")
    if colon and mode in _MODES:
        return parse_mount(head, read_only=_MODES[mode], base_folder=base_folder)
    return parse_mount(text, read_only=False, base_folder=base_folder)


def parse_mount(text: str, *, read_only: bool, base_folder: str) -> Mount:
    """Read ``path`` (the same inside and outside) or ``host:container``."""
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        raise InvalidMountError(text, f"it holds the character {forbidden[0]!r}, which shells act on")
    resource = _RESOURCE.match(text)
    if resource:
        raise UnsupportedSettingError(
            f"the mount {text!r}",
            f"only paths can be mounted, nothing under {resource[0]!r}; use a path of this machine",
        )
    drive = _DRIVE.match(text)
    start = drive.end() if drive else 0
    source, *targets = text[start:].split(":")
    source = text[:start] + source
    if len(targets) > 1:
        raise InvalidMountError(text, "it has too many colons, or a Windows path inside the container")
    if not targets and drive:
        raise InvalidMountError(text, "a Windows path cannot be the same inside the container")
    source = _absolute(text, source, base_folder=base_folder, drive=bool(drive))
    return Mount(source, _target(text, targets[0] if targets else source), read_only)


def _absolute(text: str, source: str, *, base_folder: str, drive: bool) -> str:
    if not source:
        raise InvalidMountError(text, "its source is empty")
    if drive or source.startswith("/"):
        return source if drive else _normalized(source)
    if not base_folder:
        raise InvalidMountError(
            text, "its source is a relative path, and there is no folder that it starts from here"
        )
    return _normalized(posixpath.join(base_folder, source))


def _target(text: str, target: str) -> str:
    if not target.startswith("/"):
        raise InvalidMountError(text, "its target is no absolute path inside the container")
    normalized = _normalized(target)
    if normalized == "/":
        raise InvalidMountError(text, "it would cover the container's whole file system")
    return normalized


def _normalized(path: str) -> str:
    """Drop ``.``, ``..`` and repeated slashes. Two leading slashes mean something in POSIX; here they do not."""
    return posixpath.normpath("/" + path.lstrip("/"))
