import pytest
from django.conf import settings
from django.db import connection

from config.postgres import ROLES_SQL


@pytest.mark.django_db
def test_the_application_role_gets_rights_on_rows_but_not_on_tables():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE thing (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
        cursor.execute("SET LOCAL ROLE touchstone_app")
        cursor.execute("INSERT INTO thing (name) VALUES ('a')")
        cursor.execute("UPDATE thing SET name = 'b'")
        cursor.execute("SELECT name FROM thing")
        assert cursor.fetchall() == [("b",)]
        cursor.execute("SELECT has_table_privilege('touchstone_app', 'thing', 'TRUNCATE')")
        assert cursor.fetchone() == (False,)


def test_the_guide_for_a_server_of_ones_own_gives_the_launchers_rights():
    guide = (settings.BASE_DIR / "docs" / "deploy.md").read_text()

    for statement in ROLES_SQL.strip().split(";\n"):
        assert f"{statement};" in guide


@pytest.mark.django_db
def test_the_application_may_add_but_not_change_what_is_kept_for_good():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE touchstone_app")
        rights = "SELECT " + ", ".join(
            f"has_table_privilege('{table}', '{right}')"
            for table in ("payments_entry", "marketplace_answer", "core_auditentry")
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
        )
        cursor.execute(rights)
        assert cursor.fetchone() == (True, False, False, False) * 3
