"""What every test stands on: the throwaway database server, and the rule that nothing goes wrong unseen."""

import logging
import os

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from config import postgres
from tests.support.browser import chromium
from tests.support.template import migrated

# How long an example takes says how busy the machine is, not whether it is right.
hypothesis.settings.register_profile("touchstone", deadline=None)
hypothesis.settings.load_profile("touchstone")

pytest_plugins = ["tests.support.factories", "tests.support.api", "tests.support.finished"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """A server of our own while database tests run: the first process starts it, others of pytest-xdist join in."""
    if settings.ENV.str("DATABASE_URL", ""):
        yield
        return
    with postgres.running(settings.TEST_DATA_DIR, durable=False) as cluster:
        connection.settings_dict["TEST"]["TEMPLATE"] = migrated(cluster)
        yield


@pytest.fixture(autouse=True)
def fresh_cache():
    """Figures and rate limits live in the cache: what one test counted or used up is not so in the next."""
    cache.clear()


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


def pytest_unconfigure(config):
    """The last line says which kinds of test did not run, so that a green line above cannot hide them."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput"):
        return
    skipped = reporter.stats.get("skipped", [])
    browser = [report for report in skipped if "browser" in report.keywords]
    dataset = [report for report in skipped if "no data set" in str(report.longrepr)]
    templates = [report for report in skipped if "no shared folder" in str(report.longrepr)]
    if "not clients" in config.option.markexpr:
        reporter.write_line("NOT RUN: THE TOOLS OF MECHANICAL TURK, which need the network: make clients", red=True)
    if templates:
        reporter.write_line(f"NOT RUN: {len(templates)} TESTS OF SHARED TEMPLATES", red=True, bold=True)
    if browser:
        reporter.write_line(f"NOT RUN: {len(browser)} BROWSER TESTS, for want of a Chromium", red=True, bold=True)
    if dataset:
        reporter.write_line(
            f"NOT RUN: {len(dataset)} DATASET TESTS, for want of data (DATASETS_DIR)", red=True, bold=True
        )
