"""What every test stands on: the throwaway database server, and the rule that nothing goes wrong unseen."""

import logging

import pytest
from django.conf import settings

from config import postgres


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """A server of our own while database tests run: the first process starts it, others of pytest-xdist join in."""
    if settings.ENV.str("DATABASE_URL", ""):
        yield
        return
    with postgres.running(settings.TEST_DATA_DIR, durable=False):
        yield


@pytest.fixture(autouse=True)
def no_errors_logged(request, caplog):
    """A test fails when something logs an ERROR, unless it is marked `logs_errors`."""
    yield
    if request.node.get_closest_marker("logs_errors"):
        return
    logged = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not logged, "Logged: " + "; ".join(record.getMessage() for record in logged)


def pytest_terminal_summary(terminalreporter):
    """Say out loud which kinds of test did not run, so that a green line cannot hide them."""
    for reason, what in (("browser", "BROWSER"), ("dataset", "DATASET")):
        skipped = [report for report in terminalreporter.stats.get("skipped", []) if reason in report.keywords]
        if skipped:
            line = f"NOT RUN: {len(skipped)} {what} TESTS ({skipped[0].longrepr[2]})"
            terminalreporter.write_line(line, red=True, bold=True)
