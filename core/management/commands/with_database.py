import argparse
import os
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand
from psycopg.conninfo import conninfo_to_dict

from config import postgres

VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


class Command(BaseCommand):
    help = "Run psql, pg_dump, pg_restore or another program against the database, as its owner, while it is up."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("program", nargs=argparse.REMAINDER, help="the program and its arguments")

    def handle(self, *, program: list[str], **options: Any) -> None:
        parts = conninfo_to_dict(settings.OWNER_DATABASE_URL)
        env = os.environ | {VARIABLES[name]: str(value) for name, value in parts.items() if name in VARIABLES}
        env["PATH"] = f"{postgres.find_binaries()}{os.pathsep}{env.get('PATH', '')}"  # tools of the server's version
        sys.exit(subprocess.run(program or ["psql"], env=env, check=False).returncode)
