#!/bin/sh
# Make .venv exactly what requirements.lock says, with the uv that scripts/uv.txt pins.
# uv does not read pip's configuration, so the user's index settings are handed over here.
set -eu
cd "$(dirname "$0")/.."

pin=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' scripts/uv.txt)
home="${XDG_CACHE_HOME:-$HOME/.cache}/platform/uv-$pin"
if [ ! -x "$home/bin/uv" ]; then
    echo "venv: fetching uv $pin from the package index" >&2
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$home.new" -r scripts/uv.txt
    rm -rf "$home" && mv "$home.new" "$home"
fi

from_pip() { python3 -m pip config get "global.$1" 2>/dev/null || true; }
index="${PIP_INDEX_URL:-$(from_pip index-url)}"
extra="${PIP_EXTRA_INDEX_URL:-$(from_pip extra-index-url)}"
if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX="$index"; fi
if [ -n "$extra" ] && [ -z "${UV_INDEX:-}" ]; then export UV_INDEX="$extra"; fi
if [ -n "${PIP_CERT:-}" ] && [ -z "${SSL_CERT_FILE:-}" ]; then export SSL_CERT_FILE="$PIP_CERT"; fi
export UV_PYTHON_DOWNLOADS=never

if [ "${1:-sync}" = lock ]; then
    compile() {
        "$home/bin/uv" pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
            --custom-compile-command "make lock" "$@"
    }
    compile pyproject.toml --all-extras -o requirements.lock
    # An image gets the same versions as everyone, and only what it needs.
    mkdir -p images/flow images/mlflow
    compile pyproject.toml --extra flow -c requirements.lock -o images/flow/requirements.lock
    printf 'mlflow\nboto3\nprometheus-flask-exporter\npsycopg2-binary\n' | compile - -c requirements.lock -o images/mlflow/requirements.lock
    exit 0
fi

[ -x .venv/bin/python ] || "$home/bin/uv" venv --quiet --python python3 .venv
"$home/bin/uv" pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
# The package itself is editable and brings no dependency of its own: a .pth file and two scripts, no build step.
.venv/bin/python scripts/link_package.py
