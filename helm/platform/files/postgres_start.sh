#!/bin/sh
# Make the databases once, then become the server. The data folder counts as made when the last statement went through,
# so a pod that was killed in between begins again from nothing.
set -eu
for folder in /usr/lib/postgresql/*/bin; do PATH="$folder:$PATH"; done
data=/data/postgres
if [ ! -e "$data/made" ]; then
    rm -rf "$data"
    initdb --pgdata "$data" --username postgres --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C
    for name in argo mlflow; do
        password=$(cat "/passwords/$name")
        printf "CREATE ROLE %s LOGIN PASSWORD '%s';\nCREATE DATABASE %s OWNER %s;\n" "$name" "$password" "$name" "$name"
    done | postgres --single -D "$data" postgres
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    sync
    : >"$data/made"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=100
