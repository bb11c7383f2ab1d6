"""
`platform explain CUSTOMER DAY`: where one customer's score of a day comes from.

In: a customer's id and a day. Out: score, part, run, model, its training run, data and code, and the heaviest features.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from platform_cli.cli.output import emit, json_option, table
from platform_cli.cli.published import contract_option, find_contract, flow_option, model_loader, open_shelf


@click.command(help="Say where one customer's score of a day comes from. DAY is YYYY-MM-DD, or latest.")
@click.argument("customer")
@click.argument("word", metavar="DAY")
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Features to show, heaviest first."
)
@flow_option
@contract_option
@json_option
def command(customer: str, word: str, top: int, flow: str | None, contract: Path | None, as_json: bool) -> None:
    from platform_cli.publication import read_day
    from platform_cli.scoring.audit import explain_customer

    shelf = open_shelf(flow)
    day = shelf.day(word)
    champion = read_day(shelf.store, day).draft.champion
    with model_loader(shelf.settings) as load:
        rules = find_contract(contract, load(champion).contract)
        found = explain_customer(shelf.store, day, rules, load, customer=customer, top=top)
    document = {"day": day.day.isoformat(), "flow": day.flow, "channel": day.channel.name, **asdict(found)}
    emit(document, as_json, _in_words)


def _in_words(document: dict[str, Any]) -> str:
    model = document["model"]
    facts = {
        "customer": document["customer"],
        "day": f"{document['day']} of {document['flow']}, manifest {document['manifest']}",
        "score": f"{document['probability']:.4f}, band {document['risk_band']}",
        "part": document["part"],
        "run": document["run"],
        "model": f"{model['name']} version {model['version']}, digest {model['digest']}",
        "trained by": document["training_run"],
        "on data": document["training_data"],
        "with code": document["code"],
        "from input": document["input"],
    }
    rows = [(one["feature"], one["value"], one["log_odds"]) for one in document["contributions"]]
    lines = [f"{name:11} {value}" for name, value in facts.items()]
    return "\n".join(
        [*lines, "", table(("feature", "value", "adds to the log-odds"), rows), f"(base {document['base']:.4g})"]
    )
