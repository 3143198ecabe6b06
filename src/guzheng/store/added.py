"""Tables whose rows are only ever added: a trigger refuses every other change, on both engines.

What happened stays what happened, also for a program that is wrong: history and audit are kept
in such tables, and what may change lies in others.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Table

from guzheng.store import tables
from guzheng.store.records import SQLITE

_FUNCTION = (
    "CREATE OR REPLACE FUNCTION {} RETURNS trigger"
    " LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'rows are only added'; END $$"
)


def create_tables(
    connection: Connection,
    only_added: Sequence[Table],
    changing: Sequence[Table] = (),
    *,
    guard: str = "guzheng_only_added()",
) -> None:
    """Make the tables that are not there yet, and guard those whose rows are only added.

    All of these belong to one drawer of `store.records`: its writers take turns, so two
    programs that start together do not make the same table twice. `guard`: the function of a
    server that refuses; each drawer has its own, for the same reason."""
    made = tables.make(connection, (*only_added, *changing))
    missing = [one for one in made if one in only_added]
    on_server = connection.dialect.name != SQLITE
    if on_server and missing:
        connection.exec_driver_sql(_FUNCTION.format(guard))
    for table in missing:
        for what in ("UPDATE", "DELETE"):
            if on_server:
                body = f"FOR EACH ROW EXECUTE FUNCTION {guard}"
            else:
                body = "BEGIN SELECT RAISE(ABORT, 'rows are only added'); END"
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table.name}_{what.lower()}_guard"
                f" BEFORE {what} ON {table.name} {body}"
            )
        if on_server:  # which no trigger of a row sees
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table.name}_truncate_guard BEFORE TRUNCATE ON {table.name}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {guard}"
            )
