#!/bin/sh
# Make a Docker daemon answer; where one does, do nothing. It starts one only as root on a machine that has dockerd:
# through systemd where that runs, by itself where it does not (containers, small virtual machines).
#
# Where this machine may not use some capability of Linux, `docker run --privileged` fails ("unable to apply caps"), since
# Docker asks for all of them. There dockerd gets a runtime that asks for those that exist, tools/own/runc-capped.
set -eu
cd "$(dirname "$0")/.."

answers() { docker version >/dev/null 2>&1; }

wait_for_it() {
    tries=60
    until answers; do
        tries=$((tries - 1))
        if [ "$tries" = 0 ]; then
            echo "dockerd: no answer after 30 s; see ${log:-the journal of docker.service}" >&2
            [ -z "${log:-}" ] || tail -5 "$log" >&2
            exit 1
        fi
        sleep 0.5
    done
}

# the capabilities that the kernel knows and this process cannot have, as a number; 0 on a usual machine
lacking() {
    bounding=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status 2>/dev/null)
    last=$(cat /proc/sys/kernel/cap_last_cap 2>/dev/null || echo "")
    if [ -z "$bounding" ] || [ -z "$last" ]; then echo 0; return; fi
    echo $(( ((1 << (last + 1)) - 1) & ~0x$bounding ))
}

if answers; then
    # a remote daemon, or Docker Desktop's, has a machine of its own with capabilities of its own
    if [ -e /var/run/docker.pid ] && [ "$(lacking)" != 0 ] &&
        [ "$(docker info --format '{{.DefaultRuntime}}')" != capped ]; then
        echo "dockerd: the running daemon cannot start privileged containers on this machine. Stop it, then run this again." >&2
        exit 1
    fi
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null 2>&1; then
    echo "dockerd: no Docker daemon answers. Start Docker, then run this again (scripts/machine.sh cluster installs it on Debian)." >&2
    exit 1
fi

if [ "$(lacking)" = 0 ] && [ -d /run/systemd/system ]; then
    systemctl start docker
    wait_for_it
    exit 0
fi
set --
if [ "$(lacking)" != 0 ]; then
    runtime=$(.venv/bin/python tools/build.py runc-capped)
    set -- --add-runtime "capped=$runtime" --default-runtime capped
fi
log="${XDG_CACHE_HOME:-$HOME/.cache}/platform/dockerd.log"
mkdir -p "$(dirname "$log")"
echo "dockerd: starting one; it says what it does in $log" >&2
setsid nohup dockerd "$@" >"$log" 2>&1 </dev/null &
wait_for_it
