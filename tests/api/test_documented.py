"""docs/api.md names every endpoint."""

from tests.support.endpoints import PAGE, written


def test_the_table_of_endpoints_is_that_of_the_code():
    page = PAGE.read_text()

    assert page == written(page), "Run `python -m tests.support.endpoints`, and commit docs/api.md."
