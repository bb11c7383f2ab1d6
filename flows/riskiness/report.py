"""
Figures of a training run or of a day's batch -> the components of its Metaflow card.

In: what the steps computed. Out: card components in reading order: the verdict first, then the pictures
that explain it, then where everything came from. Opens no store and asks no registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import charts

if TYPE_CHECKING:
    from platform_cli.publication import Outcome
    from platform_cli.scoring.batch import ScoredShard
    from platform_cli.scoring.daily import Batch, PublishedDay, Shadow

# The two limits of the population stability index that credit risk teams use: below 0.1 nothing moved, above 0.25 the
# population is another one (Siddiqi, Credit Risk Scorecards, 2006).
NOTABLE_PSI, SERIOUS_PSI = 0.10, 0.25


def training_card(  # noqa: PLR0913 # one argument per part of the page
    *,
    headline: str,
    evaluation: Mapping[str, Mapping[str, float]],
    folds: Sequence[float],
    roc: Mapping[str, Sequence[tuple[float, float]]],
    calibration: Mapping[str, Sequence[tuple[float, float]]],
    scores: tuple[list[float], dict[str, list[float]]],
    checks: Sequence[Mapping[str, Any]],
    lineage: Mapping[str, str],
) -> list[Any]:
    """
    Lay out the card of one training run.

    Args:
        evaluation: evaluation figures by name, for each model that was compared.
        folds: AUC of each cross-validation fold.
        roc, calibration: points of a curve for each model.
        scores: bin edges, and for each model the share of the hold-out's customers in each bin.
        checks: the promotion gate's checks: name, got, wanted, passed.
    """
    from metaflow.cards import Markdown, VegaChart

    models = list(evaluation)
    figures = sorted({name for values in evaluation.values() for name in values})
    spread = f"{min(folds):.4f} to {max(folds):.4f} over {len(folds)} folds" if folds else "not cross-validated"
    mean = f"**{sum(folds) / len(folds):.4f}** mean hold-out AUC, {spread}" if folds else spread
    return [
        Markdown(f"# {headline}"),
        Markdown(mean),
        _table(
            ["evaluation", *models], [[name, *(_number(evaluation[m].get(name)) for m in models)] for name in figures]
        ),
        Markdown("## Promotion gate"),
        _table(
            ["", "check", "got", "wanted"],
            [["✓" if check["passed"] else "✗", check["name"], check["got"], check["wanted"]] for check in checks],
        ),
        Markdown("## Hold-out"),
        VegaChart(
            charts.side_by_side(
                charts.line_chart(
                    "ROC",
                    _points(roc, "false positive rate", "true positive rate"),
                    x=("false positive rate", "false positive rate"),
                    y=("true positive rate", "true positive rate"),
                    diagonal=True,
                ),
                charts.line_chart(
                    "Calibration",
                    _points(calibration, "predicted", "observed"),
                    x=("predicted", "predicted probability"),
                    y=("observed", "observed rate"),
                    diagonal=True,
                ),
            )
        ),
        VegaChart(charts.side_by_side(charts.distribution_chart("Scores of the hold-out", *scores))),
        Markdown("## Lineage"),
        _table(["what", "which"], list(lineage.items())),
    ]


def headline(published: PublishedDay, shadows: Sequence[Shadow]) -> str:
    """Say what happened in one line."""
    manifest = published.outcome.manifest
    failed = [shadow.role for shadow in shadows if shadow.failure]
    text = f"{manifest.totals.rows:,} customers scored and published for {manifest.day.day}"
    text += f" at {published.summary.rows_per_second:,.0f} rows per second"
    return f"{text}; without {', '.join(failed)}" if failed else text


def day_card(
    headline: str, batch: Batch, published: PublishedDay, scored: Sequence[ScoredShard], shadows: Sequence[Shadow]
) -> list[Any]:
    """Lay out the card of one day's batch."""
    from metaflow.cards import Markdown, VegaChart

    from platform_cli.scoring import daily

    document = published.summary.document
    drift = {name: value for name, value in document["psi"].items() if name != "score"}
    moved = [name for name, value in drift.items() if value >= NOTABLE_PSI]
    words = (
        f"{len(moved)} of {len(drift)} features moved: {', '.join(moved)}." if moved else "No feature moved notably."
    )
    totals = published.outcome.manifest.totals
    return [
        Markdown(f"# {headline}"),
        _table(["what", "today"], _summary(batch, published, scored)),
        VegaChart(
            charts.side_by_side(
                charts.distribution_chart("Scores, today and at training", *_distributions(batch, document)),
                charts.bar_chart("Customers by risk band", dict(totals.bands), x="customers", value_format=","),
            )
        ),
        Markdown(f"## Drift since training\n{words}"),
        VegaChart(
            charts.side_by_side(
                charts.drift_chart("Features", drift, notable=NOTABLE_PSI, serious=SERIOUS_PSI),
                charts.bar_chart(
                    "Where the time went", daily.phases(batch, published, scored), x="seconds of wall time"
                ),
            )
        ),
        Markdown("## Challengers in shadow"),
        *_shadows(shadows),
        Markdown("## Scores by protected group\nNever features; read to report, and for nothing else."),
        _table(["column", "value", "customers", "mean score", "half are below"], _groups(document["groups"])),
        Markdown("## Lineage"),
        _table(["what", "which"], lineage(batch, published.outcome)),
    ]


def already_published_card(headline: str, batch: Batch, outcome: Outcome) -> list[Any]:
    """Lay out the card of a run that found its day published, and did nothing."""
    from metaflow.cards import Markdown

    return [
        Markdown(f"# {headline}"),
        Markdown("The same customers were scored by the same model before. Nothing was computed, nothing was written."),
        _table(["what", "which"], lineage(batch, outcome)),
    ]


def lineage(batch: Batch, outcome: Outcome) -> list[tuple[str, str]]:
    """What the day's scores rest on."""
    manifest = outcome.manifest
    model = manifest.draft.champion
    signature = batch.form("champion").signature
    return [
        ("published", f"{manifest.day}, manifest {manifest.number}, at {manifest.published_at}"),
        ("run", manifest.draft.run),
        ("content digest", manifest.digest),
        ("customers", f"{batch.snapshot.source}, sha256 {manifest.draft.input.sha256}"),
        ("champion", f"{model.name} version {model.version}, digest {model.digest}"),
        ("training", f"MLflow run {signature.training_run}, data {signature.data}"),
        ("code", f"{manifest.draft.code} here, {signature.code} in training"),
    ]


def _summary(batch: Batch, published: PublishedDay, scored: Sequence[ScoredShard]) -> list[tuple[str, str]]:
    document, totals = published.summary.document, published.outcome.manifest.totals
    quantiles = ", ".join(f"{float(name):.0%}: {value:.3f}" for name, value in document["quantiles"].items())
    return [
        ("customers", f"{totals.rows:,} in, {totals.rows:,} scored, shards: {len(scored)}"),
        ("throughput", f"{published.summary.rows_per_second:,.0f} rows per second"),
        ("mean score", f"{totals.mean:.4f}, standard deviation {totals.deviation:.4f}"),
        ("quantiles", quantiles),
        ("score PSI against training", f"{document['psi']['score']:.4f}"),
        ("models", batch.models_text),
    ]


def _distributions(batch: Batch, document: Mapping[str, Any]) -> tuple[list[float], dict[str, list[float]]]:
    counts = {"today": document["histogram"], "training": batch.form("champion").reference.get("histogram", [])}
    shares = {
        name: [sum(pair) / sum(bins) for pair in zip(bins[::2], bins[1::2], strict=True)]
        for name, bins in counts.items()
        if sum(bins)
    }
    return [position / 50 for position in range(51)], shares


def _groups(groups: Mapping[str, Mapping[str, Sequence[int]]]) -> list[list[str]]:
    rows = []
    for column, values in groups.items():
        for label, counts in values.items():
            total = sum(counts)
            # Counted in bins of equal width: the mean is that of the bins' middles, the median a bin's upper edge.
            mean = sum(count * (bin_ + 0.5) for bin_, count in enumerate(counts)) / len(counts) / total
            half = next(bin_ + 1 for bin_ in range(len(counts)) if sum(counts[: bin_ + 1]) * 2 >= total)
            rows.append([column, label, f"{total:,}", f"{mean:.3f}", f"{half / len(counts):.2f}"])
    return rows


def _shadows(shadows: Sequence[Shadow]) -> Iterable[Any]:
    from metaflow.cards import Markdown, VegaChart

    if not shadows:
        yield Markdown("No challenger is registered.")
    for shadow in shadows:
        if shadow.failure:
            text = f"**{shadow.role}, version {shadow.version}, did not score the day:** {shadow.failure}"
            yield Markdown(f"{text}\n\nThe published scores are the champion's and do not depend on it.")
    compared = [(shadow, shadow.comparison) for shadow in shadows if shadow.comparison and not shadow.failure]
    if compared:
        yield _table(
            ["challenger", "version", "rank correlation", "customers in another band", "PSI against the champion"],
            [
                [s.role, s.version, f"{c.rank_correlation:.4f}", f"{c.band_changed:.2%}", f"{c.psi:.4f}"]
                for s, c in compared
            ],
        )
    for shadow, comparison in compared:
        migration = [list(row) for row in comparison.migration]
        title = f"{shadow.role}: where customers move"
        yield VegaChart(charts.side_by_side(charts.migration_chart(title, list(comparison.bands), migration)))


def _points(curves: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str) -> list[dict[str, Any]]:
    return [{"series": name, x: a, y: b} for name, points in curves.items() for a, b in points]


def _table(headings: list[str], rows: Sequence[Sequence[Any]]) -> Any:
    from metaflow.cards import Table

    return Table([[str(cell) for cell in row] for row in rows], headers=headings)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
