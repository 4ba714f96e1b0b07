"""Counts what goes through the proxy. Counting is adding to a number; names are put to it when asked for."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

__all__ = ["BUCKETS", "Metrics", "WorkloadMetrics", "method_kind"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the durations that are told apart, in seconds."""

_METHODS = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "resources/subscribe",
        "resources/unsubscribe",
        "prompts/list",
        "prompts/get",
        "completion/complete",
        "logging/setLevel",
        "subscriptions/listen",
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
    }
)


def method_kind(http_method: str, mcp_method: str) -> str:
    """Name what a request is, out of a closed set: clients must not make up labels."""
    if http_method != "POST":
        return http_method.lower() if http_method in {"GET", "DELETE"} else "other"
    if mcp_method in _METHODS:
        return mcp_method
    if mcp_method.startswith("notifications/"):
        return "notification"
    return "response" if not mcp_method else "other"


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
        """By kind (`method_kind`) and status."""
        self.durations = [0] * (len(BUCKETS) + 1)
        self.duration_sum = 0.0
        self.in_flight = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.sessions = 0
        """Open now."""
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


class Metrics:
    """Numbers of all workloads.

    Parameters
    ----------
    write
        Writes them as the page that Prometheus reads.
    """

    def __init__(self, write: Callable[["Metrics"], bytes]) -> None:
        self._write = write
        self._workloads: dict[str, WorkloadMetrics] = {}

    def of(self, workload: str) -> WorkloadMetrics:
        """Numbers of a workload. Ask once, and keep them beside its gates."""
        found = self._workloads.get(workload)
        if found is None:
            found = self._workloads[workload] = WorkloadMetrics()
        return found

    def keep_only(self, workloads: frozenset[str]) -> None:
        """Forget the workloads that are gone."""
        for name in self._workloads.keys() - workloads:
            del self._workloads[name]

    def __iter__(self) -> Iterator[tuple[str, WorkloadMetrics]]:
        return iter(self._workloads.items())

    def render(self) -> bytes:
        """Write the page."""
        return self._write(self)
