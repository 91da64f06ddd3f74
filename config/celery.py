"""Celery. Rows are the queue and the sweep is the clock: a message only makes things happen sooner."""

import os
import signal
import warnings

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import worker_process_init

from config.processes import die_with_my_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.prod")

warnings.simplefilter("ignore", SecurityWarning)  # about pickle as root: messages here are JSON only

app = Celery("touchstone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect(dispatch_uid="die_with_parent")
def _leave_with_the_worker(**_: object) -> None:
    die_with_my_parent(signal.SIGKILL)  # acks are late: what it was doing comes back
