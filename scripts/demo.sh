#!/bin/sh
# The daily risk batch on this machine, from nothing to a published day: `make demo [CUSTOMERS=file.csv]`.
# Runs again at will: the same customers make the same models, and a published day is found published.
set -eu
cd "$(dirname "$0")/.."

customers="${CUSTOMERS:-synthetic:30000}"
day="${DAY:-$(date -u +%F)}"
export METAFLOW_USER="${METAFLOW_USER:-${USER:-demo}}"

say() { printf '\n%s\n' "== $*" >&2; }

say "1/4 Train a model of riskiness on $customers; the gate decides whether it becomes the champion."
platform run flows/riskiness/train.py -p customers="$customers"

say "2/4 Train a simpler one, which stays a challenger."
platform run flows/riskiness/train.py -p customers="$customers" \
    -p settings='{"n_estimators": 120, "max_depth": 3}' -p challenger=shallow -p promote=False

say "3/4 Score the customers of $day with the champion, publish them once, and score the challenger in shadow."
platform run flows/riskiness/score.py -p as_of="$day" -p customers="$customers"

say "4/4 Read what was published, check all of it, and explain one score."
platform models list
platform scores show "$day"
platform scores verify "$day"
platform explain 1 "$day"
