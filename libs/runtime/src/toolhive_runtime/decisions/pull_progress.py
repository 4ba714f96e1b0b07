"""Reading what an engine tells while it pulls an image."""

from collections.abc import Mapping
from typing import Any

from toolhive_runtime.runtime import ImageProgress

__all__ = ["PullLog"]

_DOWNLOAD_SHARE = 0.8
"""Of a layer's work; the rest is unpacking. A guess, whose only use is that the bar moves evenly."""
_DONE = {"Pull complete": 1.0, "Already exists": 1.0, "Download complete": _DOWNLOAD_SHARE}
_LAYER_STATES = frozenset({"Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Extracting", *_DONE})


class PullLog:
    """The story of one pull so far. Feed it the engine's messages in order."""

    def __init__(self) -> None:
        self.error = ""
        """The engine's last word when the pull failed."""
        self._layers: dict[str, float] = {}
        self._sizes: dict[str, int] = {}

    def feed(self, message: Mapping[str, Any]) -> ImageProgress | None:
        """Take one message in; returns what there is to tell, if anything."""
        error = message.get("error")
        if error:
            self.error = str(error)
            return None
        status, layer = message.get("status"), message.get("id")
        if not isinstance(status, str) or not status:
            return None
        if not isinstance(layer, str) or status not in _LAYER_STATES:
            return ImageProgress(building=False, message=" ".join(status.split()), fraction=self._fraction())
        detail = message.get("progressDetail")
        self._note(layer, status, detail if isinstance(detail, Mapping) else {})
        done = sum(share >= 1 for share in self._layers.values())
        return ImageProgress(
            building=False, message=f"{done} of {len(self._layers)} layers done", fraction=self._fraction()
        )

    def _note(self, layer: str, status: str, detail: Mapping[str, Any]) -> None:
        share = _DONE.get(status, 0.0)
        current, total = detail.get("current"), detail.get("total")
        if isinstance(current, int) and isinstance(total, int) and total > 0:
            part = min(max(current / total, 0.0), 1.0)
            if status == "Downloading":
                share = part * _DOWNLOAD_SHARE
                self._sizes[layer] = total
            elif status == "Extracting":
                share = _DOWNLOAD_SHARE + part * (1 - _DOWNLOAD_SHARE)
        # Engines repeat and reorder messages; what was done stays done.
        self._layers[layer] = max(self._layers.get(layer, 0.0), share)

    def _fraction(self) -> float | None:
        """Weigh layers by size. One whose size is not told yet counts as much as the average of the others."""
        if not self._layers:
            return None
        average = sum(self._sizes.values()) / len(self._sizes) if self._sizes else 1.0
        weights = {layer: self._sizes.get(layer, average) for layer in self._layers}
        done = sum(share * weights[layer] for layer, share in self._layers.items())
        return min(done / sum(weights.values()), 1.0)
