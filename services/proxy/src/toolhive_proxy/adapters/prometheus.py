"""Writes numbers as the page that Prometheus reads."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from toolhive_proxy.models.metrics import BUCKETS, WorkloadMetrics

__all__ = ["CONTENT_TYPE", "write_page"]

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def write_page(workloads: Mapping[str, WorkloadMetrics]) -> bytes:
    """Write the numbers of all workloads, and of the process."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Workloads(workloads))
    return generate_latest(registry)


class _Workloads(Collector):
    def __init__(self, workloads: Mapping[str, WorkloadMetrics]) -> None:
        self._numbers = sorted(workloads.items())
        self._ends = [*(f"{end:g}" for end in BUCKETS), "+Inf"]

    def describe(self) -> Iterator[Metric]:
        """Say nothing beforehand: the registry is made for one page."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Put names and labels to the numbers."""
        requests = CounterMetricFamily(
            "toolhive_mcp_requests", "Answered requests.", labels=("server", "mcp_method", "status_code")
        )
        failures = CounterMetricFamily(
            "toolhive_proxy_upstream_failures", "Servers that failed a request.", labels=("server", "trouble")
        )
        tokens = CounterMetricFamily(
            "toolhive_proxy_token_verifications", "Tokens that were looked at.", labels=("server", "outcome")
        )
        durations = HistogramMetricFamily(
            "toolhive_mcp_request_duration_seconds", "From a request to the end of its answer.", labels=("server",)
        )
        for server, each in self._numbers:
            for (kind, status), count in sorted(each.requests.items()):
                requests.add_metric((server, kind, str(status)), count)
            for trouble, count in sorted(each.upstream_failures.items()):
                failures.add_metric((server, trouble), count)
            for outcome, count in sorted(each.tokens.items()):
                tokens.add_metric((server, outcome), count)
            ends = list(zip(self._ends, accumulate(each.durations), strict=True))
            durations.add_metric((server,), ends, each.duration_sum)
        yield from (requests, failures, tokens, durations)
        yield from self._plain()

    def _plain(self) -> Iterator[Metric]:
        """Numbers with no label but the server's name."""
        gauges = (("in_flight", "Requests under way."), ("sessions", "Open sessions that this proxy keeps itself."))
        counters = (("bytes_in", "Bytes of requests' bodies."), ("bytes_out", "Bytes of answers' bodies."))
        for name, text in gauges:
            gauge = GaugeMetricFamily(f"toolhive_proxy_{name}", text, labels=("server",))
            for server, each in self._numbers:
                gauge.add_metric((server,), getattr(each, name))
            yield gauge
        for name, text in counters:
            counter = CounterMetricFamily(f"toolhive_proxy_{name}", text, labels=("server",))
            for server, each in self._numbers:
                counter.add_metric((server,), getattr(each, name))
            yield counter
