"""
Make or migrate the model registry's tables, before any worker of the server starts.

In: MLFLOW_BACKEND_STORE_URI. Out: tables of the installed version. Several replicas may do this at once: the second
waits for the first, by a lock of PostgreSQL that ends with its connection.
"""

import os
import sys
import time

import sqlalchemy
from mlflow.store.db import utils
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

PATIENCE_SECONDS = 180
LOCK = 20_260_714


def main() -> None:
    uri = os.environ["MLFLOW_BACKEND_STORE_URI"]
    engine = sqlalchemy.create_engine(uri)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection = engine.connect()
            break
        except sqlalchemy.exc.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    with connection:
        connection.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({LOCK})"))
        if sqlalchemy.inspect(engine).has_table("alembic_version"):
            utils._upgrade_db(engine)
        else:
            SqlAlchemyStore(uri, "mlflow-artifacts:/")
    sys.stdout.write("the tables are there\n")


main()
