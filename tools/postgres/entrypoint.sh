#!/bin/sh
# Start PostgreSQL as the user of the container; the first start makes the databases.
#
# It reads what the public image reads: POSTGRES_PASSWORD (needed on the first start), POSTGRES_USER, POSTGRES_DB, PGDATA,
# and /docker-entrypoint-initdb.d/*.sql in the order of their names. A first start that is killed leaves nothing that a
# second one would take for a database: all is made beside PGDATA and renamed at the end.
set -eu
umask 077

user="${POSTGRES_USER:-postgres}"

first_start() {
    password="${POSTGRES_PASSWORD:?the first start needs POSTGRES_PASSWORD}"
    new="$PGDATA.new"
    rm -rf "$new" && mkdir -p "$new"
    secret=$(mktemp)
    printf '%s\n' "$password" > "$secret"
    initdb --pgdata "$new" --username "$user" --pwfile "$secret" --encoding UTF8 --locale C.UTF-8 \
        --auth scram-sha-256 --data-checksums --no-instructions
    rm -f "$secret"
    cp "$new/pg_hba.conf" "$new/pg_hba.conf.final"
    echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf.final"
    # while the databases are made, nobody but this user can reach the server: a socket in a folder of its own
    echo 'local all all trust' > "$new/pg_hba.conf"
    private=$(mktemp -d)
    pg_ctl --pgdata "$new" --wait --silent --options "-c listen_addresses='' -c unix_socket_directories='$private'" start
    run="psql --host $private --username $user --no-psqlrc --set ON_ERROR_STOP=1 --quiet"
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        echo 'CREATE DATABASE :"database"' | $run --dbname postgres --set database="${POSTGRES_DB:-$user}"
    fi
    for script in /docker-entrypoint-initdb.d/*.sql; do
        [ ! -e "$script" ] || $run --dbname "${POSTGRES_DB:-$user}" --file "$script"
    done
    pg_ctl --pgdata "$new" --wait --silent --mode fast stop
    rmdir "$private"
    mv "$new/pg_hba.conf.final" "$new/pg_hba.conf"
    sync
    mv -T "$new" "$PGDATA"
}

[ -s "$PGDATA/PG_VERSION" ] || first_start
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
