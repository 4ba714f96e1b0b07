"""Keeps the numbers of all workloads."""

from toolhive_proxy.models.metrics import WorkloadMetrics

__all__ = ["Metrics"]


class Metrics:
    """Numbers of all workloads."""

    def __init__(self) -> None:
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

    def render(self) -> bytes:
        """Write the page that Prometheus reads; its type is `toolhive_proxy.adapters.prometheus.CONTENT_TYPE`."""
        # Imported where it is needed: it brings `prometheus_client`, whose memory a proxy saves that nobody asks.
        from toolhive_proxy.adapters.prometheus import write_page  # noqa: PLC0415

        return write_page(self._workloads)
