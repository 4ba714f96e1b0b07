"""The stages of a long step in words."""

__all__ = ["stage_title"]

_TITLES = {
    "requested": "Asking the API",
    "pulling": "Pulling the image",
    "building": "Building the image",
    "starting": "Starting the container",
    "waiting": "Waiting for the server",
}


def stage_title(stage: str) -> str:
    """Say a stage for a reader; one that is not known is said as it came."""
    return _TITLES.get(stage, stage)
