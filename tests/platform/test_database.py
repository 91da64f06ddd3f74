import pytest
from django.db import connection


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
