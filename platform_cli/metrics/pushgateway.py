"""
Signals to a Prometheus Pushgateway, and back.

In: samples of one flow. Out: the group {job="platform", flow=...} with the named signals replaced.

Source: https://github.com/prometheus/pushgateway#api (POST replaces metrics of the same name within the group)
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable

from prometheus_client.exposition import pushadd_to_gateway

from platform_cli.errors import Unreachable
from platform_cli.metrics.exposition import registry_of, samples_in
from platform_cli.metrics.samples import Sample


def push(address: str, flow: str, samples: Iterable[Sample], *, timeout_seconds: float) -> None:
    """Replace the named signals in the flow's group."""
    pushadd_to_gateway(
        address, job="platform", registry=registry_of(samples), grouping_key={"flow": flow}, timeout=timeout_seconds
    )


def read(address: str) -> list[Sample]:
    """
    Read the platform's signals from a gateway.

    Raises:
        Unreachable: it does not answer in five seconds.
    """
    url = f"{address.rstrip('/')}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 an http address, checked by the caller
            return samples_in(answer.read().decode())
    except OSError as error:
        raise Unreachable(
            f"no Pushgateway answers at {address} ({error})", fix="Set PLATFORM_METRICS to one, or to a folder."
        ) from error
