"""
Emit what the table `signals.SIGNALS` names; never fail or delay the batch that calls.

In: a flow's name and the values of its signals. Out: a Prometheus text file, or a push to a Pushgateway.

`emit` is what flows call; it reads the environment. All samples of one signal belong into one call: a call replaces the
signals that it names, so that a retry leaves one value, and keeps the others.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Mapping

from platform_cli.metrics.samples import Sample, UnknownSignal, Values, samples_of

__all__ = ["PATIENCE_SECONDS", "Sample", "UnknownSignal", "Values", "emit", "emit_to", "samples_of"]

# A batch must not wait for its monitoring: below one second in all, whatever the gateway or the resolver does.
PATIENCE_SECONDS = 0.8


def emit(flow: str, values: Mapping[str, Values]) -> None:
    """Emit signals of `flow` to where this environment's settings say; a step calls it when it knows them."""
    try:
        from platform_cli.settings import load_settings

        location = load_settings().metrics
    except Exception as error:  # a batch outlives its monitoring
        _warn(f"cannot read the settings: {error}")
        return
    emit_to(location, flow, values)


def emit_to(location: str, flow: str, values: Mapping[str, Values]) -> None:
    """
    Emit signals of `flow` to `location`, or leave one warning line on stderr; never raises, returns within a second.

    Args:
        location: a folder, or the http address of a Pushgateway.
        values: signal -> number, or -> {label value: number} where the signal has labels besides `flow`.
    Warns:
        UserWarning: a signal or label that is not in the table; a fault of the program, so tests make it an error.
    """
    samples: list[Sample] = []
    for name, value in values.items():
        try:
            samples += samples_of(flow, {name: value})
        except UnknownSignal as error:
            warnings.warn(f"metrics: {error}", stacklevel=2)
    if samples:
        # A thread, since neither name resolution nor a slow answer obeys a socket's timeout.
        failures: list[str] = [f"{location} did not answer in {PATIENCE_SECONDS} s"]
        sender = threading.Thread(target=_send, args=(location, flow, samples, failures), daemon=True)
        sender.start()
        sender.join(PATIENCE_SECONDS)
        for failure in failures[:1]:
            _warn(failure)


def _send(location: str, flow: str, samples: list[Sample], failures: list[str]) -> None:
    """Leave `failures` empty where it worked, else with the reason first."""
    try:
        if location.startswith(("http://", "https://")):
            from platform_cli.metrics.pushgateway import push

            push(location, flow, samples, timeout_seconds=PATIENCE_SECONDS * 0.75)
        else:
            from platform_cli.metrics.textfile import write

            write(location, flow, samples)
        failures.clear()
    except Exception as error:  # a batch outlives its monitoring
        failures.insert(0, f"cannot write to {location}: {error}")


def _warn(text: str) -> None:
    sys.stderr.write(f"metrics: {' '.join(text.split())}; the run goes on without them\n")
