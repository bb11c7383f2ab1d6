"""
Samples <-> Prometheus' text format.

In: samples, or a text that a scrape would get. Out: the text, or the samples in it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from platform_cli.metrics.samples import Sample
from platform_cli.signals import SIGNALS


class _Fixed(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)

    def collect(self) -> Iterator[Metric]:
        for name in dict.fromkeys(sample.signal for sample in self.samples):
            signal = SIGNALS[name]
            # The library adds `_total` to a counter's name by itself.
            metric = Metric(name.removesuffix("_total"), signal.meaning, signal.kind.value)
            for sample in self.samples:
                if sample.signal == name:
                    metric.add_sample(name, dict(sample.labels), sample.value)
            yield metric


def registry_of(samples: Iterable[Sample]) -> CollectorRegistry:
    """Make a registry that holds exactly these samples."""
    registry = CollectorRegistry()
    registry.register(_Fixed(samples))
    return registry


def text_of(samples: Iterable[Sample]) -> str:
    """Write samples as Prometheus reads them, with HELP and TYPE from the table."""
    return generate_latest(registry_of(samples)).decode()


def samples_in(text: str) -> list[Sample]:
    """Read the platform's own signals out of a text; others (a gateway's) are passed over."""
    return [
        Sample(
            signal=sample.name,
            labels=tuple((label, sample.labels.get(label, "")) for label in SIGNALS[sample.name].labels),
            value=sample.value,
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in SIGNALS
    ]
