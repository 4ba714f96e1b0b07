"""How long the commands take that a user waits for."""

import time
from statistics import median

from bench.harness.settings import Settings
from bench.harness.targets.toolhive import Product

__all__ = ["seconds_of"]


def seconds_of(product: Product, settings: Settings, *arguments: str) -> float:
    """Median of ten runs of ``thv``, from start to end of the process; the first, on cold files, is left out."""
    product.thv(*arguments)
    taken = []
    for _ in range(2 if settings.quick else 10):
        begun = time.monotonic()
        product.thv(*arguments)
        taken.append(time.monotonic() - begun)
    return median(taken)
