"""The migrated database that test databases are copied from, so that migrations run once until one of them changes."""

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version

import psycopg
from django.apps import apps
from django.conf import settings
from psycopg import sql

from config import postgres

PREFIX = "template_"


def fingerprint() -> str:
    """Of all migrations: ours by their text, others' by the version of Django and allauth."""
    seen = hashlib.sha256(f"{version('django')} {version('django-allauth')} {version('django-pgtrigger')}".encode())
    folders = [settings.BASE_DIR / app.name for app in apps.get_app_configs()]
    for folder in sorted(folder for folder in folders if folder.is_dir()):
        for path in sorted((folder / "migrations").glob("*.py")):
            seen.update(path.read_bytes())
    return seen.hexdigest()[:16]


def migrated(cluster: postgres.Cluster) -> str:
    """Name of the database to copy; made if it is not there. Other processes that ask for it wait."""
    name = PREFIX + fingerprint()
    with psycopg.connect(cluster.url(postgres.OWNER, "postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext('template'))")
        there = [name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^template_'")]
        if name in there:
            return name
        for old in there:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(old)))
        begun = f"{PREFIX}begun"
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(begun)))
        env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": cluster.url(postgres.APP, begun),
            "OWNER_DATABASE_URL": cluster.url(postgres.OWNER, begun),
        }
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=settings.BASE_DIR, env=env, check=True)
        renamed = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(begun), sql.Identifier(name))
        connection.execute(renamed)
    return name
