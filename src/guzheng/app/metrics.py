"""Figures for Prometheus: how many, how fast, how long the certificate lasts.

Served on 127.0.0.1 only, on a port of its own (setting `metrics_port`), so that no proxy in
front of the platform can make them public by mistake. The counters are the sums over all
processes of this data directory (store/counts.py), whichever of them is asked. Names and
meanings: docs/operate/timestamp-authority.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from guzheng.app.parts import Parts
from guzheng.app.timestamping import GRANTED, JOURNAL_FAILED, MICROSECONDS, SECONDS
from guzheng.fix.clock import Sight, Standing
from guzheng.refusals import Problem, Refused
from guzheng.store.counts import Counts

HOST: Final = "127.0.0.1"


class TimestampMetrics(Collector):
    """The counters as Prometheus wants them."""

    def __init__(self, counts: Counts, parts: Parts) -> None:
        self._counts = counts
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        totals = self._counts.totals()
        yield CounterMetricFamily(
            "guzheng_tsa_tokens", "Timestamps that left", value=totals[GRANTED]
        )
        yield _labelled(
            "guzheng_tsa_rejections",
            "Answers without a timestamp",
            "failure",
            totals,
            "rejected.",
        )
        yield _labelled(
            "guzheng_tsa_refusals", "Refused before the question", "code", totals, "refused."
        )
        yield CounterMetricFamily(
            "guzheng_tsa_journal_failures",
            "Timestamps thrown away because the journal could not be written",
            value=totals[JOURNAL_FAILED],
        )
        yield _histogram(totals)
        with suppress(Problem):  # its key cannot be used; that it fails is counted above
            yield GaugeMetricFamily(
                "guzheng_tsa_certificate_not_after_seconds",
                "When the authority's certificate ends, in Unix time",
                value=self._parts.local.not_after.timestamp(),
            )
        yield from _clock(self._parts.gate.look())


def _clock(sight: Sight) -> Iterator[Metric]:
    """How the clock stands; offset and bound only while they are known."""
    standing = GaugeMetricFamily(
        "guzheng_clock_standing", "1 for the one that the clock has", labels=["standing"]
    )
    for one in Standing:
        standing.add_metric([one.value], float(sight.standing is one))
    yield standing
    for name, says, value in (
        ("offset", "Standard time less ours", sight.offset),
        ("bound", "By how much our time may be wrong", sight.bound),
    ):
        if value is not None:
            yield GaugeMetricFamily(
                f"guzheng_clock_{name}_seconds", says, value=value.total_seconds()
            )


def _labelled(
    name: str, says: str, label: str, totals: dict[str, int], prefix: str
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, says, labels=[label])
    for one, value in totals.items():
        if one.startswith(prefix):
            family.add_metric([one.removeprefix(prefix)], value)
    return family


def _histogram(totals: dict[str, int]) -> HistogramMetricFamily:
    buckets, sum_so_far = [], 0
    for one in SECONDS:
        sum_so_far += totals[f"seconds.{one}"]
        buckets.append((str(one), float(sum_so_far)))
    buckets.append(("+Inf", float(sum_so_far + totals["seconds.more"])))
    return HistogramMetricFamily(
        "guzheng_tsa_answer_seconds",
        "From the whole question to the whole answer",
        buckets=buckets,
        sum_value=totals[MICROSECONDS] / 1_000_000,
    )


@contextmanager
def metrics_served(port: int, *collectors: Collector) -> Iterator[None]:
    """On loopback while the block runs; with port 0 not at all."""
    if not port:
        yield
        return
    registry = CollectorRegistry()
    for one in collectors:
        registry.register(one)
    try:
        server, thread = start_http_server(port, addr=HOST, registry=registry)
    except OSError as error:
        raise Refused(
            "serve.port-taken",
            expected=f"a free port {port} on {HOST}",
            found=error.strerror or type(error).__name__,
            act="choose another with metrics_port",
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
