"""
`platform metrics`: the signals that flows left, wherever this environment keeps them.

In: the environment's folder or Pushgateway. Out: Prometheus' text format, or JSON.
"""

from __future__ import annotations

import click

from platform_cli.cli.output import current_settings, emit, json_option, say


@click.command(help="Print the metrics that flows left, in Prometheus' text format.")
@json_option
def command(as_json: bool) -> None:
    from platform_cli.metrics import pushgateway, textfile
    from platform_cli.metrics.exposition import text_of

    location = current_settings().metrics
    reader = pushgateway if location.startswith(("http://", "https://")) else textfile
    samples = reader.read(location)
    if not samples:
        say(f"No flow has left metrics at {location}.")
    document = [{"signal": sample.signal, "labels": dict(sample.labels), "value": sample.value} for sample in samples]
    emit(document, as_json, lambda _: text_of(samples).rstrip())
