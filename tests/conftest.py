"""What every test stands on: the throwaway database server, and the rule that nothing goes wrong unseen."""

import logging
import os

import pytest
from django.conf import settings

from config import postgres
from tests.support.browser import chromium

pytest_plugins = ["tests.support.factories"]


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


def pytest_collection_modifyitems(items):
    """Browser tests need a browser: without one they are skipped, and fail where REQUIRE_BROWSER says so (.ci/run)."""
    driven = [item for item in items if item.get_closest_marker("browser")]
    if driven and chromium() is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.exit("No Chromium: browser tests cannot run. CHROMIUM=/path/to/chromium names one.", returncode=1)
        for item in driven:
            item.add_marker(pytest.mark.skip(reason="no Chromium: CHROMIUM=/path/to/chromium names one"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses it to root
    return {**browser_type_launch_args, "executable_path": chromium(), "args": sandbox}


def pytest_terminal_summary(terminalreporter):
    """Say out loud which kinds of test did not run, so that a green line cannot hide them."""
    for reason, what in (("browser", "BROWSER"), ("dataset", "DATASET")):
        skipped = [report for report in terminalreporter.stats.get("skipped", []) if reason in report.keywords]
        if skipped:
            line = f"NOT RUN: {len(skipped)} {what} TESTS ({skipped[0].longrepr[2]})"
            terminalreporter.write_line(line, red=True, bold=True)
