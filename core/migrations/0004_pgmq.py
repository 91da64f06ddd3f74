"""The Celery queue of small sites: pgmq, plain SQL and plpgsql, from the package of that name."""

from django.db import migrations
from pgmq.install import get_embedded_install_sql

QUEUES = ["celery", "heartbeat"]  # the role that runs the site may not make tables


def install(apps, schema_editor):
    # psycopg's own cursor: the script is many statements, and its %s are not ours.
    with schema_editor.connection.connection.cursor() as cursor:
        if not cursor.execute("SELECT to_regnamespace('pgmq')").fetchone()[0]:
            cursor.execute(get_embedded_install_sql().encode())
        for queue in QUEUES:
            cursor.execute("SELECT pgmq.create(%s)", [queue])


class Migration(migrations.Migration):
    dependencies = [("core", "0003_rights")]
    operations = [
        migrations.RunPython(install, lambda apps, schema_editor: schema_editor.execute("DROP SCHEMA pgmq CASCADE"))
    ]
