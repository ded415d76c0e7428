"""What happens here, counted for Prometheus; the only importer of prometheus_client.

Its own counters cost several microseconds a request in multi-process mode, so the floor counts in
one shared memory map that exists before the workers are forked, one slot for each, and the library
only writes the text. A worker that replaces a dead one goes on counting in its slot.
Test: tests/davserver/http/test_metrics.py.
"""

from __future__ import annotations

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

_METHODS = (
    "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL",
    "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "ACL", "MKCALENDAR", "TRACE", "OTHER",
)  # fmt: skip
KNOWN_METHODS = frozenset(_METHODS)
_METHOD_AT = {method: index for index, method in enumerate(_METHODS)}
_FIRST_STATUS, _STATUSES = 200, 400
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
REFUSALS = (
    "malformed", "target", "version", "headers", "request-line", "expectation", "body-too-large",
    "body-malformed", "body-cut-short", "body-too-slow", "header-timeout", "tls", "address-cap",
    "full", "peer-gone", "other",
)  # fmt: skip
_REFUSAL_AT = {kind: index for index, kind in enumerate(REFUSALS)}
GAUGES = ("connections", "queue", "threads")

_AT_LATENCY = len(_METHODS) * _STATUSES
_AT_LATENCY_SUM = _AT_LATENCY + len(_BUCKETS) + 1
_AT_BYTES_IN = _AT_LATENCY_SUM + 1
_AT_BYTES_OUT = _AT_BYTES_IN + 1
_AT_REFUSALS = _AT_BYTES_OUT + 1
_AT_GAUGES = _AT_REFUSALS + len(REFUSALS)
_CELLS = _AT_GAUGES + len(GAUGES)


Cells: TypeAlias = "memoryview[float]"  # subscripted for mypy; Python learns it in 3.14
"""One worker's numbers, in memory that all workers share."""


class Board:
    """The numbers of all workers. Made before the fork; `slot` is the worker's own."""

    def __init__(self, workers: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, workers * _CELLS * 8)).cast("d")
        self._workers = workers

    def slot(self, worker: int) -> Cells:
        """Return the cells of one worker. Its gauges start at nothing."""
        cells = self._cells[worker * _CELLS : (worker + 1) * _CELLS]
        for index in range(len(GAUGES)):
            cells[_AT_GAUGES + index] = 0.0
        return cells

    def total(self, index: int) -> float:
        """Return one cell, summed over all workers."""
        return sum(self._cells[index + worker * _CELLS] for worker in range(self._workers))


class Meter:
    """Counts for one worker. One short lock: cheaper than a tally for each thread to merge."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._lock = threading.Lock()

    def served(
        self, method: str, status: int, seconds: float, bytes_in: int, bytes_out: int
    ) -> None:
        """Count one answered request."""
        at = _METHOD_AT.get(method, len(_METHODS) - 1) * _STATUSES + status - _FIRST_STATUS
        bucket = _AT_LATENCY + bisect_left(_BUCKETS, seconds)
        cells = self._cells
        with self._lock:
            cells[at] += 1
            cells[bucket] += 1
            cells[_AT_LATENCY_SUM] += seconds
            cells[_AT_BYTES_IN] += bytes_in
            cells[_AT_BYTES_OUT] += bytes_out

    def refused(self, kind: str) -> None:
        """Count one refusal by its reason."""
        with self._lock:
            self._cells[_AT_REFUSALS + _REFUSAL_AT.get(kind, len(REFUSALS) - 1)] += 1

    def gauge(self, name: str, value: float) -> None:
        """Note how much of something there is now."""
        self._cells[_AT_GAUGES + GAUGES.index(name)] = value


class _FloorCollector(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(
        self,
    ) -> Iterator[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        board = self._board
        yield self._requests()
        yield self._latency()
        for name, index, what in (
            ("received", _AT_BYTES_IN, "Bytes received from clients."),
            ("sent", _AT_BYTES_OUT, "Bytes sent to clients."),
        ):
            yield CounterMetricFamily(
                f"davserver_http_{name}_bytes", what, value=board.total(index)
            )
        refusals = CounterMetricFamily(
            "davserver_http_refusals", "Requests and connections refused.", labels=["reason"]
        )
        for index, kind in enumerate(REFUSALS):
            refusals.add_metric([kind], board.total(_AT_REFUSALS + index))
        yield refusals
        for index, name in enumerate(GAUGES):
            yield GaugeMetricFamily(
                f"davserver_http_{name}",
                f"Open now, over all workers: {name}.",
                value=board.total(_AT_GAUGES + index),
            )

    def _requests(self) -> CounterMetricFamily:
        requests = CounterMetricFamily(
            "davserver_http_requests", "Requests answered.", labels=["method", "status"]
        )
        for method, row in _METHOD_AT.items():
            for column in range(_STATUSES):
                count = self._board.total(row * _STATUSES + column)
                if count:
                    requests.add_metric([method, str(_FIRST_STATUS + column)], count)
        return requests

    def _latency(self) -> HistogramMetricFamily:
        edges = [*(str(bucket) for bucket in _BUCKETS), "+Inf"]
        buckets: list[tuple[str, float]] = []
        total = 0.0
        for index, edge in enumerate(edges):
            total += self._board.total(_AT_LATENCY + index)
            buckets.append((edge, total))
        latency = HistogramMetricFamily(
            "davserver_http_request_seconds", "From the whole head to the last byte sent."
        )
        latency.add_metric([], buckets, self._board.total(_AT_LATENCY_SUM))
        return latency


def metrics_text(board: Board) -> bytes:
    """Return the numbers in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FloorCollector(board))
    return generate_latest(registry)
