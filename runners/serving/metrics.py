"""`/metrics`: the counters of all workers, as Prometheus reads them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from runners.serving.figures import Histogram, Totals, totals
from runners.serving.session import Version

_OUTCOMES = {
    "answered": "answered",
    "refused": "refused",
    "failed": "failed",
    "shed": "shed",
    "unauthorized": "unauthorized",
}
_COUNTERS = {
    "rows": "Rows predicted.",
    "nonfinite": "Predictions that were no finite number.",
    "feedback": "Truths taken in.",
    "log_written": "Lines written to the prediction log.",
    "log_dropped": "Lines that the prediction log lost: no memory or no disk left for them.",
    "log_errors": "Writes of the prediction log that failed.",
    "access_dropped": "Lines that the access log lost.",
}
_GAUGES = {
    "in_flight": "Requests under way.",
    "queued_rows": "Rows that wait for their batch.",
    "connections": "Open connections.",
}


def exposition(folder: Path, version: Version | None) -> bytes:
    """The text of `/metrics`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(folder, version))
    return generate_latest(registry)


class _Collected:
    def __init__(self, folder: Path, version: Version | None) -> None:
        self._folder = folder
        self._version = version

    def collect(self) -> Iterable[Metric]:
        found = totals(self._folder)
        requests = CounterMetricFamily("trainshed_requests", "Requests by how they ended.", labels=["outcome"])
        for name, outcome in _OUTCOMES.items():
            requests.add_metric([outcome], found.counters[name])
        yield requests
        for name, told in _COUNTERS.items():
            yield CounterMetricFamily(f"trainshed_{name}", told, value=found.counters[name])
        for name, told in _GAUGES.items():
            yield GaugeMetricFamily(f"trainshed_{name}", told, value=found.counters[name])
        yield from _histograms(found)
        yield from _routes(found)
        yield GaugeMetricFamily("process_resident_memory_bytes", "Of the worker that answers.", value=_resident())
        model = GaugeMetricFamily("trainshed_model_info", "What serves now.", labels=["model", "version", "digest"])
        if self._version is not None:
            model.add_metric([self._version.model, str(self._version.number), self._version.digest], 1)
        yield model


def _histograms(found: Totals) -> Iterable[Metric]:
    seconds = HistogramMetricFamily("trainshed_request_seconds", "From a request's first line to its answer.")
    seconds.add_metric([], _buckets(found.latency_ms, 1000.0), found.latency_ms.sum / 1000)
    yield seconds
    rows = HistogramMetricFamily("trainshed_batch_rows", "Rows in one call of the model.")
    rows.add_metric([], _buckets(found.batch_rows, 1.0), found.batch_rows.sum)
    yield rows


def _routes(found: Totals) -> Iterable[Metric]:
    answers = CounterMetricFamily(
        "trainshed_http_requests", "Answers by route and class of status.", labels=["route", "status"]
    )
    seconds = HistogramMetricFamily(
        "trainshed_http_request_seconds", "From a request's head to the end of its answer.", labels=["route"]
    )
    for route, its in found.routes.items():
        for name, count in its.answers.items():
            answers.add_metric([route, name], count)
        if its.latency_ms.count:
            seconds.add_metric([route], _buckets(its.latency_ms, 1000.0), its.latency_ms.sum / 1000)
    yield answers
    yield seconds


def _buckets(histogram: Histogram, scale: float) -> list[tuple[str, float]]:
    told, below = [], 0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        below += count
        told.append((str(bound / scale), float(below)))
    return [*told, ("+Inf", float(histogram.count))]


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
