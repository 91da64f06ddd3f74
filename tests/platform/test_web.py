"""The web server's process, as it is before its workers are forked."""

import subprocess
import sys

FOUND = """
import threading
from config.web import load
load()
from django.db import connections
print(threading.active_count(), [one.connection for one in connections.all(initialized_only=True)])
"""


def test_what_is_loaded_before_the_workers_holds_no_connection_and_no_thread():
    done = subprocess.run([sys.executable, "-c", FOUND], capture_output=True, text=True, check=True)

    threads, connections = done.stdout.split(maxsplit=1)
    assert threads == "1"
    assert set(connections.strip("[]\n").split(", ")) <= {"", "None"}
