"""Rights and storage that migrations set: what the database itself refuses to the application."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.migrations.operations import RunSQL

from config.postgres import APP


def append_only(table: str, *, may_update: Sequence[str] = ()) -> RunSQL:
    """Take UPDATE and DELETE on `table` from the application's role, apart from the columns `may_update`.

    A database without that role (one account for everything) keeps the triggers as its only guard.
    """
    grant = f"GRANT UPDATE ({', '.join(may_update)}) ON {table} TO {APP};" if may_update else ""
    return RunSQL(
        if_role(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {APP}; {grant}"),
        if_role(f"GRANT UPDATE, DELETE ON {table} TO {APP};"),
    )


def if_role(statements: str) -> str:
    return f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP}') THEN {statements} END IF; END $$;"


def storage(table: str, parameters: str) -> RunSQL:
    names = ", ".join(pair.split("=")[0].strip() for pair in parameters.split(","))
    return RunSQL(f"ALTER TABLE {table} SET ({parameters});", f"ALTER TABLE {table} RESET ({names});")
