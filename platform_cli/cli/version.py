"""
`platform version`: what is installed here.

In: nothing. Out: the versions that a report of a fault needs.
"""

from __future__ import annotations

import click

from platform_cli.cli.output import emit, json_option


@click.command(help="Print the version of the platform and what it runs on.")
@json_option
def command(as_json: bool) -> None:
    import importlib.metadata
    import platform

    from platform_cli import __version__

    def installed(package: str) -> str | None:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    document = {
        "platform": __version__,
        "python": platform.python_version(),
        "metaflow": installed("metaflow"),
        "mlflow": installed("mlflow"),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    emit(
        document,
        as_json,
        lambda found: "\n".join(f"{name:10} {value or 'not installed'}" for name, value in found.items()),
    )
