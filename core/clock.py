"""The database's clock: the only authority for deadlines, whatever a web server's own clock says."""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def now() -> datetime:
    """The time at the database, at this statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]
