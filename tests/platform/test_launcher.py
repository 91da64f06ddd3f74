"""The embedded PostgreSQL against the real binaries: each test makes a cluster of its own, a second each."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest

from config import postgres

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand over to another user")


@pytest.fixture
def folder(tmp_path_factory):
    """A short folder that any user may pass through, and its cluster's other places gone afterwards."""
    path = Path("/tmp") / f"ts-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    path.mkdir(mode=0o755)
    yield path
    for data_dir in path.rglob("postgres.json"):
        postgres.Cluster.at(data_dir.parent).forget()
    shutil.rmtree(path, ignore_errors=True)


def hold(data_dir: Path, *extra: str) -> subprocess.Popen:
    """Another process that runs the cluster until its standard input closes; returns once the cluster answers."""
    script = """
        import sys
        from pathlib import Path
        from config import postgres
        with postgres.running(Path(sys.argv[1]), durable=False):
            print("up", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(data_dir), *extra]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout.readline() == "up\n", process.stdout.read()
    return process


def server_processes(cluster: postgres.Cluster) -> list[int]:
    listed = subprocess.check_output(["ps", "-wweo", "pid=,args="], text=True).splitlines()
    return [int(line.split()[0]) for line in listed if f"-D {cluster.data}" in line]


def gone_within(seconds: float, cluster: postgres.Cluster) -> bool:
    deadline = time.monotonic() + seconds
    while server_processes(cluster) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not server_processes(cluster)


def test_starts_answers_as_both_roles_and_stops(folder):
    with postgres.running(folder / "var", durable=False) as cluster:
        for role in (postgres.OWNER, postgres.APP):
            with psycopg.connect(cluster.url(role)) as connection:
                found = connection.execute(
                    "SELECT current_user, current_setting('TimeZone'), current_setting('synchronous_commit')"
                ).fetchone()
            assert found == (role, "UTC", "on")
        with (
            psycopg.connect(cluster.url(postgres.APP)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("CREATE TABLE mine ()")

    assert gone_within(5, cluster)


def test_a_second_process_joins_and_the_first_waits_for_it(folder):
    first = hold(folder)
    cluster = postgres.Cluster.at(folder)

    with postgres.running(folder, durable=False), psycopg.connect(cluster.url()) as connection:
        first.stdin.close()
        time.sleep(0.5)
        assert first.poll() is None
        assert connection.execute("SELECT 1").fetchone() == (1,)

    assert first.wait(10) == 0
    assert gone_within(5, cluster)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends children with their parent")
def test_kill_9_of_the_owner_takes_the_server_along_and_loses_nothing(folder):
    owner = hold(folder)
    cluster = postgres.Cluster.at(folder)
    with psycopg.connect(cluster.url(postgres.OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")

    owner.kill()
    owner.wait()

    with postgres.running(folder, durable=False), psycopg.connect(cluster.url()) as connection:  # at once, no pause
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_kill_9_of_the_server_leaves_a_lock_that_the_next_start_gets_over(folder):
    owner = hold(folder)
    cluster = postgres.Cluster.at(folder)
    postmaster = int((cluster.data / "postmaster.pid").read_text().split()[0])

    os.kill(postmaster, signal.SIGKILL)
    owner.stdin.close()
    owner.wait(10)
    assert (cluster.data / "postmaster.pid").exists()

    with postgres.running(folder, durable=False):
        assert cluster.answers()


def test_another_version_is_named_with_what_to_do(folder):
    with postgres.running(folder, durable=False) as cluster:
        pass
    (cluster.data / "PG_VERSION").write_text("14\n")

    with pytest.raises(
        postgres.PostgresError, match="is of PostgreSQL 14; here is postgres .* PG_BIN_DIR .* make reset"
    ):
        with postgres.running(folder, durable=False):
            pass
    assert (cluster.data / "PG_VERSION").read_text() == "14\n"


def test_a_first_start_that_was_killed_leaves_nothing_in_the_way(folder):
    cluster = postgres.Cluster.at(folder)
    postgres.Server(cluster).prepare_home()
    unfinished = cluster.home / "data.new"
    unfinished.mkdir()
    (unfinished / "half").write_text("")

    with postgres.running(folder, durable=False):
        assert cluster.answers()
    assert not unfinished.exists()


def test_a_long_path_gets_a_short_private_folder_for_its_socket(folder):
    deep = folder / ("long-" * 20) / "var"

    with postgres.running(deep, durable=False) as cluster:
        assert len(bytes(cluster.sockets / ".s.PGSQL.5432")) <= postgres.SOCKET_BYTES
        assert cluster.sockets.stat().st_mode & 0o777 == 0o700


def test_a_socket_folder_that_others_may_enter_is_refused(folder):
    cluster = postgres.Cluster.at(folder / ("long-" * 20))
    cluster.sockets.mkdir(mode=0o777)
    cluster.sockets.chmod(0o777)
    try:
        with pytest.raises(postgres.PostgresError, match="is not a folder that only"):
            with postgres.running(cluster.data_dir, durable=False):
                pass
    finally:
        shutil.rmtree(cluster.sockets)


@as_root
def test_root_in_a_closed_folder_keeps_cluster_and_binaries_elsewhere(folder, monkeypatch):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    package = postgres.find_binaries().parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):  # a virtual environment nobody else can reach
        if part.exists():
            shutil.copytree(part, closed / part.name, symlinks=True)
    monkeypatch.setattr(postgres, "find_binaries", lambda: closed / package.name / "pginstall" / "bin")

    with postgres.running(closed / "var", durable=False) as cluster:
        assert cluster.answers()
        assert not cluster.home.is_relative_to(closed)
        assert cluster.home.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_mode & 0o777 == 0o700
    assert postgres.Cluster.at(closed / "var").home == cluster.home  # recorded

    shutil.rmtree(closed / "var")  # another checkout at the same path does not find the first one's data
    with postgres.running(closed / "var", durable=False) as again:
        with psycopg.connect(again.url()) as connection:
            assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    for left in cluster.home.parent.glob(f"{cluster.home.name}-*"):
        shutil.rmtree(left)


@as_root
def test_a_cluster_that_can_no_longer_be_reached_is_not_replaced_by_an_empty_one(folder):
    inner = folder / "inner"
    with postgres.running(inner / "var", durable=False):
        pass
    inner.chmod(0o700)

    with pytest.raises(postgres.PostgresError, match=r"can no longer reach.*chmod o\+x"):
        with postgres.running(inner / "var", durable=False):
            pass


def test_no_postgresql_says_so_with_what_to_do(monkeypatch):
    monkeypatch.delenv("PG_BIN_DIR", raising=False)
    monkeypatch.setattr(postgres, "WHEEL", "no_such_package")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))

    with pytest.raises(postgres.PostgresError, match="no build for .* Install PostgreSQL >= 15 .* DATABASE_URL"):
        postgres.find_binaries()
