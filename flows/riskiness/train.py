"""
Train a model of riskiness: the probability that a credit card customer defaults next month.

    python flows/riskiness/train.py run --customers customers.csv
    platform run flows/riskiness/train.py -p customers=customers.csv

In: customers whose outcome is known (`contract.toml` says what a row holds).
Out: a registered model, `challenger-<name>` or, where the gate of `gate.toml` agrees, `champion`; and a card.
"""

import json
from pathlib import Path

from metaflow import FlowSpec, JSONType, Parameter, card, current, step

from platform_cli.scoring.steps import ends_on_breach

HERE = Path(__file__).resolve().parent
MODEL = "riskiness"
SETTINGS = {"n_estimators": 250, "max_depth": 4, "learning_rate": 0.05, "subsample": 0.8, "min_child_weight": 5}


class RiskinessTrain(FlowSpec):
    """Features, fit, evaluate, register, gate."""

    customers = Parameter(
        "customers",
        default="synthetic:30000",
        help="Customers with their outcome: a CSV or Parquet file, s3://bucket/key, or synthetic:ROWS.",
    )
    challenger = Parameter("challenger", default="candidate", help="The model's role until the gate decides.")
    settings = Parameter(
        "settings", type=JSONType, default="{}", help="Settings of xgboost's classifier that differ from ours, as JSON."
    )
    promote = Parameter("promote", type=bool, default=True, help="Let the gate decide; else it stays a challenger.")
    folds = Parameter("folds", default=5, help="Folds of the cross-validation.")

    @step
    @ends_on_breach
    def start(self):
        """Check the customers against the contract, and freeze them."""
        import datetime

        from platform_cli.scoring import inputs
        from platform_cli.scoring.contract import load_contract
        from platform_cli.scoring.place import place_of

        contract = load_contract(HERE / "contract.toml")
        place = place_of(type(self).__name__)
        month = datetime.datetime.now(datetime.UTC).date().replace(day=1)
        with inputs.customers_file(contract, self.customers, day=month) as path:
            self.training_set = inputs.take_training_set(place, contract, path)
        self.code = inputs.code_identity(HERE)
        self.xgboost = {**SETTINGS, **self.settings}
        print(f"{self.training_set.input.rows:,} customers, sha256 {self.training_set.input.sha256[:12]}")
        self.next(self.fit)

    @step
    def fit(self):
        """Cross-validate the settings on all customers, then fit the pipeline on those that are not held out."""
        from training import cross_validate, fitted_pipeline

        labelled = self._labelled()
        self.fold_auc, self.out_of_fold = cross_validate(labelled, self.xgboost, folds=self.folds)
        self.pipeline = fitted_pipeline(
            labelled.features[~labelled.is_holdout], labelled.labels[~labelled.is_holdout], self.xgboost
        )
        self.mean_auc = sum(self.fold_auc) / len(self.fold_auc)
        print(f"mean hold-out AUC over {len(self.fold_auc)} folds: {self.mean_auc:.4f}")
        self.next(self.evaluate)

    @step
    def evaluate(self):
        """Judge the model on the customers that no model was ever fitted on."""
        from platform_cli.models.evaluate import evaluate

        labelled = self._labelled()
        scores = self.pipeline.predict_proba(labelled.features[labelled.is_holdout])[:, 1]
        self.evaluation = evaluate(labelled.labels[labelled.is_holdout], scores)
        self.next(self.register)

    @step
    def register(self):
        """Export the model without pickle, equal in every bit, and register it once."""
        import tempfile

        import numpy as np

        from platform_cli.models.connection import connect
        from platform_cli.models.export import export_form
        from platform_cli.models.form import Signature
        from platform_cli.scoring.contract import load_contract
        from platform_cli.scoring.drift import make_reference

        contract = load_contract(HERE / "contract.toml")
        labelled = self._labelled()
        models = connect()
        data = self.training_set.input.sha256
        settings = json.dumps(self.xgboost, sort_keys=True)
        run = models.log_training_run(
            MODEL,
            # The same data, code and settings are the same training, whenever and however often it runs.
            key=f"{data[:12]}-{self.code.removeprefix('sha256:')[:12]}-{settings}",
            params={**self.xgboost, "folds": self.folds, "customers": self.customers},
            metrics={**self.evaluation.metrics(), "cross_validated_auc": self.mean_auc},
            tags={"data": data, "code": self.code, "metaflow_run": f"{current.flow_name}/{current.run_id}"},
        )
        signature = Signature(
            model=MODEL,
            features=contract.features,
            contract=contract.fingerprint,
            training_run=run,
            data=data,
            code=self.code,
        )
        reference = make_reference(contract, labelled.features, self.out_of_fold)
        reference["histogram"] = np.histogram(self.out_of_fold, bins=100, range=(0, 1))[0].tolist()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "form"
            holdout = labelled.features[labelled.is_holdout]
            digest = export_form(folder, self.pipeline, signature=signature, reference=reference, holdout=holdout)
            self.version = models.register(folder, digest, challenger=self.challenger)
        print(f"registered {self.version.model} version {self.version.number}, digest {digest[:12]}")
        self.next(self.gate)

    @step
    def gate(self):
        """Let the gate compare it with the champion on the same hold-out, and decide."""
        import datetime
        import tempfile

        from platform_cli.models.connection import connect
        from platform_cli.models.gate import Holdout, load_thresholds, run_gate
        from platform_cli.scoring.contract import load_contract

        models = connect()
        labelled = self._labelled()
        columns = {name: values.to_numpy() for name, values in labelled.features[labelled.is_holdout].items()}
        outcomes = labelled.labels[labelled.is_holdout]
        bands = load_contract(HERE / "contract.toml").bands
        with tempfile.TemporaryDirectory() as scratch:
            self.compared = self._compared(models, columns, outcomes, Path(scratch))
            self.verdict = None
            if self.promote:
                self.verdict = run_gate(
                    models,
                    self.version,
                    Holdout(columns=columns, outcomes=outcomes, band_edges=[band.below for band in bands[:-1]]),
                    load_thresholds(HERE / "gate.toml"),
                    folder=Path(scratch),
                    now=datetime.datetime.now(datetime.UTC),
                )
                print(self.verdict.table())
        self.next(self.end)

    @card(type="blank")
    @step
    def end(self):
        """Draw the card, and say what happened."""
        import report

        name = f"{self.version.model} version {self.version.number}"
        if self.verdict is None:
            self.headline = f"{name} is registered as challenger-{self.challenger}; the gate was not asked"
        elif self.verdict.passed:
            self.headline = f"{name} is the champion"
        else:
            self.headline = f"{name} was refused by the gate; it stays a challenger"
        self.headline += f"; mean hold-out AUC {self.mean_auc:.4f}"
        evaluations = {f"version {self.version.number}": self.evaluation, **self.compared["evaluations"]}
        current.card.extend(
            report.training_card(
                headline=self.headline,
                evaluation={model: found.metrics() for model, found in evaluations.items()},
                folds=self.fold_auc,
                roc={model: found.roc for model, found in evaluations.items()},
                calibration={model: found.calibration for model, found in evaluations.items()},
                scores=(self.compared["edges"], self.compared["shares"]),
                checks=[vars(check) for check in self.verdict.checks] if self.verdict else [],
                lineage={
                    "training run": f"{current.flow_name}/{current.run_id}, MLflow {self.version.training_run}",
                    "customers": f"{self.customers}, {self.training_set.input.rows:,} rows",
                    "data": self.training_set.input.sha256,
                    "code": self.code,
                    "model": f"{name}, digest {self.version.digest}",
                    "settings": json.dumps(self.xgboost),
                },
            )
        )
        print(self.headline)

    def _labelled(self):
        from platform_cli.scoring import inputs
        from platform_cli.scoring.contract import load_contract
        from platform_cli.scoring.place import place_of

        place = place_of(type(self).__name__)
        contract = load_contract(HERE / "contract.toml")
        return inputs.read_training_set(contract, place.store, self.training_set.input.key)

    def _compared(self, models, columns, outcomes, folder):
        """Score the hold-out with this model and with the champion of now, for the card."""
        import numpy as np

        from platform_cli.models.evaluate import evaluate
        from platform_cli.models.form import load_form

        versions = {self.version.number: f"version {self.version.number}"}
        champion = models.roles(self.version.model).get("champion")
        if champion and champion.contract == self.version.contract:
            versions.setdefault(champion.number, f"champion, version {champion.number}")
        evaluations, shares = {}, {}
        for number, title in versions.items():
            version = models.find(self.version.model, number)
            scores = load_form(models.fetch(version, folder / version.digest), version.digest).predict(columns)
            shares[title] = (np.histogram(scores, bins=40, range=(0, 1))[0] / len(scores)).tolist()
            if number != self.version.number:
                evaluations[title] = evaluate(outcomes, scores)
        return {"evaluations": evaluations, "shares": shares, "edges": np.linspace(0, 1, 41).tolist()}


if __name__ == "__main__":
    RiskinessTrain()
