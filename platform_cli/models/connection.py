"""
The registry of the environment that this process runs in, for flows and verbs.

In: platform.toml and the environment variables. Out: an open Registry.
"""

from __future__ import annotations

from platform_cli.models.registry import Registry, open_registry
from platform_cli.settings import load_settings


def connect() -> Registry:
    """
    Connect to the registry that the settings name, in the channel that they name.

    Raises:
        Unreachable: nothing answers, within 30 s.
    """
    settings = load_settings()
    return open_registry(settings.models, settings.channel)
