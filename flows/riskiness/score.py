"""
The daily risk batch: give every customer of a day a probability of default, and publish the day exactly once.

    python flows/riskiness/score.py run --as_of 2026-11-22
    platform run flows/riskiness/score.py -p as_of=2026-11-22 -p customers=customers.csv

In: a day, its customers (`contract.toml` says what a row holds), the champion in the model registry.
Out: the day's published scores; every challenger's scores beside them, in shadow; a card; metrics.

    start -> shards -> score (each shard) -> publish -> challenge -> challengers -> shadow (each) -> compare -> report
      |                                                     `--------- without challengers ------------------^
      `---------------------------------- the day is published already --------------------------------------^
"""

from pathlib import Path

from metaflow import FlowSpec, Parameter, card, catch, current, retry, step, timeout

from platform_cli.scoring.steps import ends_on_breach

HERE = Path(__file__).resolve().parent


class RiskinessScore(FlowSpec):
    """Snapshot, score, publish; then the challengers, which can harm nothing any more."""

    as_of = Parameter("as_of", required=True, help="The day to score, YYYY-MM-DD; never in the future.")
    customers = Parameter(
        "customers",
        default="synthetic:30000",
        help="The day's customers: a CSV or Parquet file, s3://bucket/key, or synthetic:ROWS.",
    )
    rows_per_shard = Parameter("rows_per_shard", default=1_048_576, help="Rows that one task scores, at most.")

    @step
    @ends_on_breach
    def start(self):
        """Freeze the customers and the models: everything after this sees one state of both."""
        from platform_cli.scoring import daily

        run = f"{current.flow_name}/{current.run_id}"
        self.batch = daily.begin(HERE, current.flow_name, as_of=self.as_of, customers=self.customers, run=run)
        self.already = daily.find_published(self.batch)
        self.state = "published" if self.already else "to-score"
        print(f"{self.batch.snapshot.input.rows:,} customers; {self.batch.models_text}")
        self.next({"to-score": self.shards, "published": self.report}, condition="state")

    @step
    def shards(self):
        """Cut the snapshot into shards of whole blocks."""
        from platform_cli.scoring.batch import plan_shards

        self.plan = plan_shards(self.batch.snapshot.input.rows, rows_per_shard=self.rows_per_shard)
        self.next(self.score, foreach="plan")

    @retry(times=2)
    @step
    @ends_on_breach
    def score(self):
        """Score one shard with the champion."""
        from platform_cli.scoring import daily

        self.scored = daily.score_shards(self.batch, "champion", [self.input])
        print(f"{self.input.rows:,} rows in {self.scored[0].seconds:.2f} s")
        self.next(self.publish)

    @retry(times=2)
    @step
    @ends_on_breach
    def publish(self, inputs):
        """Pass the gates and commit the day: the one act that publishes."""
        from platform_cli.scoring import daily

        self.merge_artifacts(inputs, include=["batch", "plan", "state"])
        self.scored = [shard for task in inputs for shard in task.scored]
        self.published = daily.publish_day(self.batch, self.scored)
        outcome = self.published.outcome
        print(f"{outcome.status}: {daily.published_path(self.batch, outcome)}")
        self.next(self.challenge)

    @step
    def challenge(self):
        """See whether anybody challenges the champion."""
        self.challenged = "yes" if self.batch.challengers else "no"
        self.next({"yes": self.challengers, "no": self.report}, condition="challenged")

    @step
    def challengers(self):
        """Give each challenger a task of its own."""
        self.roles = self.batch.challengers
        self.next(self.shadow, foreach="roles")

    @catch(var="failure", print_exception=True)
    @timeout(minutes=30)
    @retry(times=1)
    @step
    def shadow(self):
        """Score the published day with a challenger, to a place of its own. Whatever happens here, the day stands."""
        from platform_cli.scoring import daily

        champion = [shard.part for shard in self.scored]
        self.comparison = daily.shadow_day(self.batch, self.input, self.plan, champion)
        self.next(self.compare)

    @step
    def compare(self, inputs):
        """Collect what the challengers did, or why they did not."""
        from platform_cli.scoring import daily

        self.merge_artifacts(inputs, include=["batch", "published", "scored", "state"])
        self.shadows = [
            daily.shadow_of(self.batch, role, getattr(task, "comparison", None), task.failure)
            for role, task in zip(self.batch.challengers, inputs, strict=True)
        ]
        self.next(self.report)

    @card(type="blank")
    @step
    def report(self):
        """Draw the card, leave the metrics, and say what happened."""
        import report

        from platform_cli.scoring import daily

        if self.state == "published":
            outcome = self.already
            self.headline = f"{outcome.manifest.day} was published already, from the same customers and model"
            current.card.extend(report.already_published_card(self.headline, self.batch, outcome))
        else:
            outcome = self.published.outcome
            shadows = getattr(self, "shadows", [])
            self.headline = report.headline(self.published, shadows)
            current.card.extend(report.day_card(self.headline, self.batch, self.published, self.scored, shadows))
            daily.emit_metrics(self.batch, self.published, self.scored, shadows)
        self.published_path = daily.published_path(self.batch, outcome)
        print(f"{self.headline}\n{self.published_path}")
        self.next(self.end)

    @step
    def end(self):
        """The day is published."""


if __name__ == "__main__":
    RiskinessScore()
