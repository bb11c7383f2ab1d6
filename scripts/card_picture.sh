#!/bin/sh
# Draw the newest card of a flow as a picture: scripts/card_picture.sh RiskinessScore docs/pictures/day-card.png [HEIGHT]
# Needs chromium (Debian's package). The card's page is drawn as it is, without network.
set -eu
flow="$1" picture="$2" height="${3:-1500}"
card=$(find .metaflow/mf.cards/"$flow" -name '*.html' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --hide-scrollbars \
    --user-data-dir="$profile" --virtual-time-budget=8000 --window-size=1366,"$height" \
    --screenshot="$picture" "file://$(readlink -f "$card")" 2>/dev/null
