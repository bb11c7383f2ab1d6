"""
Where to look at a run: addresses for a browser.

In: settings, a run's name. Out: name of the place -> address; only places that the environment says it has.
"""

from __future__ import annotations

from platform_cli.settings import Settings, load_outside


def links_of(settings: Settings, namespace: str, run: str) -> dict[str, str]:
    """Argo's page of the run, MLflow, Grafana's page of runs."""
    argo, grafana = (load_outside(settings.environment, name) for name in ("argo", "grafana"))
    found = {
        "argo": f"{argo}/workflows/{namespace}/{run}" if argo else "",
        "mlflow": settings.models if settings.models.startswith("http") else "",
        "grafana": f"{grafana}/d/platform-run?var-run={run}" if grafana else "",
    }
    return {name: address for name, address in found.items() if address}
