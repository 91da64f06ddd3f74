from django.db import migrations

from core.database import APP, if_role

# The application may not change an answer. Erasing a person may: bytes and text go, the hash stays.
ERASE = """
CREATE OR REPLACE FUNCTION erase_answers(of_worker bigint) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
    UPDATE marketplace_answer SET raw = NULL, data = NULL
    WHERE assignment_id IN (SELECT id FROM marketplace_assignment WHERE worker_id = of_worker)
$$;
REVOKE ALL ON FUNCTION erase_answers(bigint) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0011_trials_and_columns")]
    operations = [
        migrations.RunSQL(ERASE, "DROP FUNCTION erase_answers(bigint);"),
        migrations.RunSQL(
            if_role(f"GRANT EXECUTE ON FUNCTION erase_answers(bigint) TO {APP};"), migrations.RunSQL.noop
        ),
    ]
