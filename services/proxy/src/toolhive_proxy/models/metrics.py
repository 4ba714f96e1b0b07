"""Numbers of a workload. Counting is adding to a number; names and labels are put to it when somebody asks."""

from bisect import bisect_left
from collections import Counter

__all__ = ["BUCKETS", "WorkloadMetrics"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the durations that are told apart, in seconds."""


class WorkloadMetrics:
    """Numbers of one workload."""

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "duration_sum",
        "durations",
        "in_flight",
        "requests",
        "sessions",
        "tokens",
        "upstream_failures",
    )

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """By kind (`toolhive_proxy.decisions.method_kind`) and status."""
        self.durations = [0] * (len(BUCKETS) + 1)
        self.duration_sum = 0.0
        self.in_flight = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.sessions = 0
        """Open now, of those that this proxy keeps itself."""
        self.upstream_failures: Counter[str] = Counter()
        """By what was the trouble."""
        self.tokens: Counter[str] = Counter()
        """Verifications by outcome."""

    def begin(self, received: int) -> None:
        """Count a request whose body has so many bytes."""
        self.in_flight += 1
        self.bytes_in += received

    def finish(self, kind: str, status: int, *, seconds: float, sent: int) -> None:
        """Count its answer."""
        self.in_flight -= 1
        self.bytes_out += sent
        self.requests[kind, status] += 1
        self.durations[bisect_left(BUCKETS, seconds)] += 1
        self.duration_sum += seconds

    def count_token(self, outcome: str) -> None:
        """Count a verification."""
        self.tokens[outcome] += 1

    def count_upstream_failure(self, trouble: str) -> None:
        """Count a server that failed."""
        self.upstream_failures[trouble] += 1
