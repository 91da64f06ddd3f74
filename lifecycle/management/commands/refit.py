"""`manage.py refit`: fit a project's labels anew, now; the clock starts it with --operation for those that are due."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.models import Operation
from lifecycle.operations import IN_CHILDREN
from lifecycle.refit import refit_project, run_child
from marketplace.models import Project


class Command(BaseCommand):
    help = "Fits all judgments of a project and stores labels, confidence and workers' reliability."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("project", nargs="?", type=uuid.UUID, help="Id of the project.")
        parser.add_argument("--operation", type=int, help="Do this operation of the clock.")

    def handle(self, *, project: uuid.UUID | None, operation: int | None, **options: Any) -> None:
        if operation is not None:
            due = Operation.objects.get(pk=operation, kind__in=IN_CHILDREN)
            done = run_child(due, IN_CHILDREN[due.kind])
            sys.exit(0 if done is None or done.finished_at or not done.failures else 1)
        if project is None:
            raise CommandError("Name a project by its id.")
        found = Project.objects.filter(public_id=project).first()
        if found is None:
            raise CommandError(f"There is no project {project}. Its id stands in the address of its page.")
        for run in refit_project(project=found):
            self.stdout.write(
                f"{run.question}: {run.items} items, {run.answers} answers, {run.workers} workers,"
                f" {run.method}, guard {run.guard}, result {run.result_hash[:12]}"
            )
