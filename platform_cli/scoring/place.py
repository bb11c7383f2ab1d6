"""
Where a flow's data live: the one spot at which a batch reads the environment it runs in.

In: the name of a flow's class; platform.toml and the environment variables.
Out: a Place: an open store, the channel, the flow's name in keys. A flow never names an environment.
"""

from __future__ import annotations

from platform_cli.names import flow_slug
from platform_cli.scoring.snapshot import Place
from platform_cli.settings import load_settings
from platform_cli.store import open_store


def place_of(flow_class: str) -> Place:
    """Open the store of the environment that this process runs in."""
    settings = load_settings()
    store = open_store(settings.scores, s3_endpoint=settings.s3_endpoint)
    return Place(store=store, channel=settings.channel, flow=flow_slug(flow_class), s3_endpoint=settings.s3_endpoint)
