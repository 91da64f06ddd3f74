import os
import shutil
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError

from config import postgres

#: Only what we made ourselves: DATA_DIR may be a folder with other things in it.
MADE = ["media", "static", "metrics", "demo-done", "beat", "beat.db", "beat.dir", "beat.bak", "beat.dat", "secret_key"]


class Command(BaseCommand):
    help = "Forget the embedded database and everything else in the data folder."
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, **options: Any) -> None:
        data_dir = settings.DATA_DIR
        if not options["yes"]:
            answer = input(f"Forget the market in {data_dir}: people, answers, money? Type yes: ")
            if answer.strip().lower() != "yes":
                raise CommandError("Nothing was forgotten.")
        for folder in (data_dir, data_dir / "test"):
            self._forget_cluster(postgres.Cluster.at(folder))
        for name in MADE:
            path = data_dir / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.stdout.write(f"Forgotten. make run starts a new market in {data_dir}.")

    def _forget_cluster(self, cluster: postgres.Cluster) -> None:
        if not cluster.home.exists():
            (cluster.data_dir / "postgres.json").unlink(missing_ok=True)
            return
        owned = postgres.lock_owner(cluster)
        if owned is None:
            raise CommandError(
                f"The database in {cluster.home} is in use: stop what uses it (make run, a command) first."
            )
        cluster.forget()
        os.close(owned)
