"""What has to be so before the site starts: `manage.py serve` and `check --database default` ask it."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections


@register(Tags.database)
def durability(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Acknowledged work is on disk: a database that is killed loses none with `on`, and some with `off`."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            (commit,) = cursor.fetchone()
        if commit != "on":
            hint = "ALTER DATABASE ... SET synchronous_commit = on"
            found.append(
                Error(f"synchronous_commit is {commit}: acknowledged work could be lost.", hint=hint, id="core.E001")
            )
    return found


@register(Tags.security, deploy=True)
def two_roles(**_: Any) -> list[CheckMessage]:
    """The database itself keeps what must never change from an application that does not own the tables."""
    if settings.DATABASE_URL != settings.OWNER_DATABASE_URL:
        return []
    hint = "Make two roles as docs/deploy.md says, and set OWNER_DATABASE_URL."
    return [Warning("The application owns the tables: it could change the ledger.", hint=hint, id="core.W001")]
