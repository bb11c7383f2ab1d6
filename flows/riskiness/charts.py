"""
Figures of a model or a batch -> Vega-Lite charts for a Metaflow card.

In: lists of plain numbers. Out: chart specifications as plain dictionaries. Knows nothing of flows, stores or models.
The card's page brings Vega with it, so a card opens without network and needs no plotting library to be written.
"""

from __future__ import annotations

from typing import Any

WIDTH = 360
HEIGHT = 210
MAIN, OTHER, WARN, BAD = "#1f6feb", "#8b949e", "#d29922", "#cf222e"

Chart = dict[str, Any]


def line_chart(
    title: str, rows: list[dict[str, Any]], *, x: tuple[str, str], y: tuple[str, str], diagonal: bool = False
) -> Chart:
    """Draw one line per `series` of `rows`; `x` and `y` are (field, axis title); `diagonal` adds the line y = x."""
    layers: list[Chart] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "point": len(rows) < 60, "strokeWidth": 2},
            "encoding": {
                "x": {"field": x[0], "type": "quantitative", "title": x[1]},
                "y": {"field": y[0], "type": "quantitative", "title": y[1]},
                "color": _series_colour(rows),
                "tooltip": [{"field": name} for name in ("series", x[0], y[0])],
            },
        }
    ]
    if diagonal:
        layers.append(
            {
                "data": {"values": [{"d": 0}, {"d": 1}]},
                "mark": {"type": "line", "color": OTHER, "strokeDash": [4, 4], "strokeWidth": 1},
                "encoding": {"x": {"field": "d", "type": "quantitative"}, "y": {"field": "d", "type": "quantitative"}},
            }
        )
    return {"title": title, "width": WIDTH, "height": HEIGHT, "layer": layers}


def distribution_chart(title: str, edges: list[float], series: dict[str, list[float]]) -> Chart:
    """Draw the share of customers in each score bin; `edges` are one longer than each series, which are shares."""
    rows = [
        {"from": edges[index], "to": edges[index + 1], "share": share, "series": name}
        for name, shares in series.items()
        for index, share in enumerate(shares)
    ]
    return {
        "title": title,
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": rows},
        "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.45, "line": True},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "title": "probability of default"},
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": "share of customers",
                "stack": None,
                "axis": {"format": "%"},
            },
            "color": _series_colour(rows),
        },
    }


def drift_chart(title: str, values: dict[str, float], *, notable: float, serious: float) -> Chart:
    """Draw one bar per feature, longest first, coloured by the two usual limits of the population stability index."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    rows = [{"feature": name, "psi": value} for name, value in ordered]
    colour = {
        "condition": [
            {"test": f"datum.psi >= {serious}", "value": BAD},
            {"test": f"datum.psi >= {notable}", "value": WARN},
        ],
        "value": MAIN,
    }
    rules = [{"limit": notable}, {"limit": serious}]
    return {
        "title": title,
        "width": WIDTH,
        "height": {"step": 15},
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "height": 10},
                "encoding": {
                    "y": {"field": "feature", "type": "nominal", "sort": None, "title": None},
                    "x": {
                        "field": "psi",
                        "type": "quantitative",
                        "title": f"PSI (notable {notable}, serious {serious})",
                        "scale": {"domainMax": max([serious * 1.1, *values.values()])},
                    },
                    "color": colour,
                },
            },
            {
                "data": {"values": rules},
                "mark": {"type": "rule", "color": OTHER, "strokeDash": [4, 4]},
                "encoding": {"x": {"field": "limit", "type": "quantitative"}},
            },
        ],
    }


def bar_chart(title: str, values: dict[str, float], *, x: str, value_format: str = ",.2~f") -> Chart:
    """Draw one labelled bar per entry, in the order given."""
    rows = [{"name": name, "value": value} for name, value in values.items()]
    y = {"field": "name", "type": "nominal", "sort": None, "title": None}
    return {
        "title": title,
        "width": WIDTH,
        "height": {"step": 24},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "bar", "color": MAIN, "height": 16},
                "encoding": {"y": y, "x": {"field": "value", "type": "quantitative", "title": x}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {
                    "y": y,
                    "x": {"field": "value", "type": "quantitative"},
                    "text": {"field": "value", "format": value_format},
                },
            },
        ],
    }


def migration_chart(title: str, bands: list[str], counts: list[list[int]]) -> Chart:
    """Draw how customers move between risk bands: rows are the champion's bands, columns the challenger's."""
    rows = [
        {"champion": bands[i], "challenger": bands[j], "customers": counts[i][j]}
        for i in range(len(bands))
        for j in range(len(bands))
    ]
    plain = {"grid": False, "labelAngle": 0, "ticks": False, "domain": False}
    axes = {
        "y": {"field": "champion", "type": "ordinal", "sort": bands, "title": "champion's band", "axis": plain},
        "x": {"field": "challenger", "type": "ordinal", "sort": bands, "title": "challenger's band", "axis": plain},
    }
    largest = max(max(row) for row in counts)
    return {
        "title": title,
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": rows},
        "layer": [
            {
                "mark": "rect",
                "encoding": {
                    **axes,
                    "color": {
                        "field": "customers",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"scheme": "blues", "type": "sqrt"},
                    },
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    **axes,
                    "text": {"field": "customers", "type": "quantitative", "format": ","},
                    # White on the dark half of a square-root scale.
                    "color": {
                        "condition": {"test": f"datum.customers > {largest / 4}", "value": "white"},
                        "value": "#24292f",
                    },
                },
            },
        ],
    }


def side_by_side(*charts: Chart) -> Chart:
    """Put charts next to each other in one specification."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "hconcat": list(charts),
        "spacing": 48,
        "resolve": {"scale": {"color": "independent"}},
        "config": {
            "view": {"stroke": None},
            "axis": {"grid": True, "gridColor": "#eaeef2"},
            "title": {"anchor": "start", "fontSize": 13},
        },
    }


def _series_colour(rows: list[dict[str, Any]]) -> Chart:
    names = list(dict.fromkeys(str(row["series"]) for row in rows))
    return {
        "field": "series",
        "type": "nominal",
        "title": None,
        "scale": {"domain": names, "range": [MAIN, OTHER, WARN, BAD][: len(names)]},
        "legend": {"orient": "bottom"} if len(names) > 1 else None,
    }
