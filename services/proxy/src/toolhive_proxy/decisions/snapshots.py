"""What is known of a bucket, and a new look at all of it -> what is known then."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from toolhive_common.schemas.state import SyncMarker

__all__ = ["is_whole", "merged"]

V = TypeVar("V")


def merged(
    known: Mapping[str, V], found: Mapping[str, V], unreadable: Collection[str], *, whole: bool
) -> dict[str, V]:
    """Take a new look over what was known.

    Parameters
    ----------
    unreadable
        Names whose values a later version wrote: they go on as they were last understood.
    whole
        Whether a name that is not found is gone. It is not in a bucket that lost its disk.
    """
    kept = {name: value for name, value in known.items() if name in unreadable or not whole}
    return {**kept, **found}


def is_whole(before: SyncMarker | None, after: SyncMarker | None) -> bool:
    """Whether a bucket held all that is declared when it was looked at.

    The marker must be the same before and after the look: one that came meanwhile says nothing of a look that began
    without it, and one that was there may have been lost with the disk.
    """
    return before is not None and before == after
