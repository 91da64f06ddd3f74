"""The whole site in one process tree: what `make run` calls."""

import hashlib
import io
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import BaseCommand, CommandError, call_command, get_commands, load_command_class
from django.db import connections

from config import postgres
from config.supervisor import Child, Stop, answers, end, port_taken, say, terminal_to_ourselves

READY_SECONDS = 60.0


class Command(BaseCommand):
    help = "Start PostgreSQL, migrate, and run web server, sweep, Celery worker and beat until Ctrl-C or SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
        parser.add_argument("--web-processes", type=int, default=int(os.environ.get("WEB_PROCESSES", "2")))
        parser.add_argument("--worker-processes", type=int, default=int(os.environ.get("WORKER_PROCESSES", "2")))
        parser.add_argument("--no-demo", action="store_true", help="an empty market")

    def handle(self, **options: Any) -> None:
        stop = Stop()
        if port_taken(options["host"], options["port"]):
            raise CommandError(
                f"Port {options['port']} is taken by another program. Stop that one, or choose another port: "
                f"PORT={options['port'] + 1} make run"
            )
        try:
            with terminal_to_ourselves():
                self._with_database(stop, options)
        except postgres.PostgresError as error:
            raise CommandError(str(error)) from error

    def _with_database(self, stop: Stop, options: dict[str, Any]) -> None:
        if settings.ENV.str("DATABASE_URL", ""):
            self._serve(stop, options, None)
            return
        cluster = postgres.Cluster.at(settings.DATA_DIR)
        server = postgres.Server(
            cluster, log=lambda line: say("postgres", line), notice=lambda line: say("touchstone", line)
        )
        owned = self._own(server, stop)
        if owned is None:
            return
        try:
            os.write(owned, f"http://{options['host']}:{options['port']} (process {os.getpid()})".encode())
            server.start()
            say("touchstone", f"PostgreSQL runs in {cluster.data}")
            self._serve(stop, options, server)
        finally:
            server.stop()
            os.truncate(owned, 0)
            os.close(owned)

    def _own(self, server: postgres.Server, stop: Stop) -> int | None:
        """The right to run the server, waiting for a command that has it now. None when asked to stop meanwhile."""
        waiting = False
        while (owned := postgres.take_ownership(server)) is None:
            if site := (server.cluster.home / "owner").read_text():
                raise CommandError(
                    f"Touchstone already runs from {settings.DATA_DIR}: {site}. Stop that one, or give this one a data "
                    "folder of its own: DATA_DIR=var2 PORT=8001 make run"
                )
            if not waiting:
                waiting = True
                say("touchstone", "Waiting for a command that uses the database")
            if stop.wait(0.2):
                return None
        os.truncate(owned, 0)  # of one that was killed
        return owned

    def _serve(self, stop: Stop, options: dict[str, Any], server: postgres.Server | None) -> None:
        call_command("check", databases=["default"], stdout=io.StringIO())
        call_command("migrate", interactive=False, verbosity=0)
        self._collect_static()
        connections.close_all()
        url = f"http://{options['host']}:{options['port']}"
        web, later = self._children(options)
        children = [web]
        try:
            web.start(settings.BASE_DIR)
            self._wait_until_ready(url, web, stop)
            if stop.asked():
                return
            children += later
            for child in later:
                child.mind(settings.BASE_DIR)
            print(f"Ready: {url}", flush=True)  # no prefix: scripts wait for exactly this line
            for line in self._demo_accounts():
                say("touchstone", line)
            self._watch(stop, children, server)
        finally:
            say("touchstone", "Stopping")
            end(children)

    def _watch(self, stop: Stop, children: list[Child], server: postgres.Server | None) -> None:
        worker = next(child for child in children if child.name == "worker")
        silence = settings.WORKER_SILENT_SECONDS
        look_at = time.monotonic() + silence
        while not stop.wait(0.2):
            if server is not None and server.process is not None and server.process.poll() is not None:
                say("touchstone", "PostgreSQL died; starting it again")
                server.start()
            for child in children:
                child.mind(settings.BASE_DIR)
            if time.monotonic() > look_at:
                look_at = time.monotonic() + silence / 6
                ran = time.monotonic() - worker.started_at
                if worker.runs and ran > silence and self._worker_is_silent(silence):
                    say("touchstone", f"The worker took no task for {silence:.0f} s; starting it again")
                    worker.send(signal.SIGKILL)

    def _worker_is_silent(self, seconds: float) -> bool:
        """Whether beat's pulse has not been taken for so long. An unreachable database proves nothing."""
        try:
            with psycopg.connect(settings.DATABASE_URL, connect_timeout=3) as connection:
                row = connection.execute(
                    "SELECT now() - at > make_interval(secs => %s) FROM core_watermark WHERE name = 'celery'",
                    [seconds],
                ).fetchone()
        except psycopg.Error:
            return False
        return row is None or row[0]

    def _wait_until_ready(self, url: str, web: Child, stop: Stop) -> None:
        deadline = time.monotonic() + READY_SECONDS
        named = [host for host in settings.ALLOWED_HOSTS if host.strip("*")]
        host = named[0].lstrip(".") if named else ""
        while not stop.wait(0.1) and not answers(f"{url}/health/ready", host):
            if not web.runs:
                raise CommandError("The web server ended before it answered; its lines above say why.")
            if time.monotonic() > deadline:
                raise CommandError(f"{url}/health/ready did not answer 200 within {READY_SECONDS:.0f} s.")

    def _children(self, options: dict[str, Any]) -> tuple[Child, list[Child]]:
        common = {
            "DATABASE_URL": settings.DATABASE_URL,
            "OWNER_DATABASE_URL": settings.OWNER_DATABASE_URL,
            "DATA_DIR": str(settings.DATA_DIR),
            "PORT": str(options["port"]),
            "PROMETHEUS_MULTIPROC_DIR": str(self._empty(settings.DATA_DIR / "metrics")),
        }
        python, manage = sys.executable, [sys.executable, "manage.py"]
        celery = [python, "-m", "celery", "-A", "config", "--quiet"]
        web = [python, "-m", "config.web", options["host"], str(options["port"]), str(options["web_processes"])]
        worker = ["worker", "--concurrency", str(options["worker_processes"]), "--loglevel", "warning"]
        worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        beat = ["beat", "--schedule", str(settings.DATA_DIR / "beat"), "--pidfile", "", "--loglevel", "warning"]

        def child(name: str, argv: list[str], **more: Any) -> Child:
            env = common | {"TOUCHSTONE_PROCESS": name}
            return Child(name, argv, env=env, longest_pause=settings.RESTART_PAUSE_SECONDS, **more)

        # A pool process that is killed takes the lock of the pool's queue with it: no other gets a task from then on.
        later = [child("worker", celery + worker, broken_by="exited with 'signal"), child("beat", celery + beat)]
        if "sweep" in get_commands():
            later.insert(0, child("sweep", [*manage, "sweep"]))
            later.insert(1, child("long", [*manage, "sweep", "--long"]))
        marker = settings.DATA_DIR / "demo-done"
        if self._has_demo(options) and not marker.exists():
            later.append(child("demo", [*manage, "demo"], once=True, finished=marker.touch))
        return child("web", web), later

    def _empty(self, folder: Path) -> Path:
        """Made, or emptied of what processes of an earlier start counted."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _has_demo(self, options: dict[str, Any]) -> bool:
        return settings.DEMO and not options["no_demo"] and "demo" in get_commands()

    def _demo_accounts(self) -> list[str]:
        """What the demo command says of the accounts it makes: its attribute `accounts`, one line of text each."""
        if not settings.DEMO or "demo" not in get_commands():
            return []
        return list(getattr(load_command_class(get_commands()["demo"], "demo"), "accounts", ()))

    def _collect_static(self) -> None:
        """collectstatic, unless no file has changed since the last time: hashing and compressing takes seconds."""
        seen = hashlib.sha256()
        for finder in get_finders():
            for path, storage in finder.list([]):
                found = Path(storage.path(path)).stat()
                seen.update(f"{storage.location}/{path} {found.st_size} {found.st_mtime_ns}\n".encode())
        mark = settings.STATIC_ROOT / ".collected"
        if mark.exists() and mark.read_text() == seen.hexdigest():
            return
        call_command("collectstatic", interactive=False, clear=settings.STATIC_ROOT.exists(), verbosity=0)
        mark.write_text(seen.hexdigest())
