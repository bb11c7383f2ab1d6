#!/bin/sh
# Prepare a bare machine. `machine.sh` makes ready for `make`: Python 3.11 to 3.13 with pip, git and root certificates.
# `machine.sh cluster` makes ready for a cluster too: Docker, and mmdebstrap for images where no registry can be asked.
# It says what it installs. On Debian as root it installs what is missing; elsewhere it prints one line that names it.
set -eu

python_works() {
    command -v python3 >/dev/null 2>&1 &&
        python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
}
docker_answers() { docker version >/dev/null 2>&1; }

missing=""
python_works || missing="$missing python3"
python3 -c 'import pip' >/dev/null 2>&1 || missing="$missing python3-pip"
command -v git >/dev/null 2>&1 || missing="$missing git"
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ ! -e /etc/debian_version ] || missing="$missing ca-certificates"
# xgboost's wheels bring their own OpenMP; scikit-learn's too. Nothing else of the system is needed.
if [ "${1:-}" = cluster ]; then
    # a daemon that answers is enough, wherever it runs (Docker Desktop, a remote one)
    docker_answers || command -v dockerd >/dev/null 2>&1 || missing="$missing docker.io iptables"
    [ ! -e /etc/debian_version ] || command -v mmdebstrap >/dev/null 2>&1 || missing="$missing mmdebstrap"
fi

if [ -n "$missing" ]; then
    if [ ! -e /etc/debian_version ] || [ "$(id -u)" != 0 ]; then
        echo "machine: missing:$missing. Install them, then run make again." >&2
        exit 1
    fi
    echo "machine: installing with apt:$missing" >&2
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    python_works || { echo "machine: python3 is $(python3 -V 2>&1); wanted 3.11 to 3.13." >&2; exit 1; }
fi
