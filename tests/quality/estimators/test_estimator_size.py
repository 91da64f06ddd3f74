"""A million answers: memory and time of a whole fit, in a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import estimators as benchmark
from benchmarks.peers import PROJECT, child_environment


@pytest.mark.slow
def test_a_million_answers_fit_in_memory_and_time(tmp_path):
    columns = tmp_path / "columns.npz"
    np.savez(columns, **benchmark.simulate(1_000_000))

    done = subprocess.run(
        [sys.executable, benchmark.__file__, "--columns", columns, "--measure", "fit"],
        capture_output=True, text=True, check=True, cwd=PROJECT, env=child_environment(),
    )  # fmt: skip
    found = json.loads(done.stdout)

    assert found["megabytes"] <= benchmark.LIMITS["megabytes"]
    # Twice the limit that the benchmark holds: tests share the machine, and its caches.
    assert found["seconds"] <= 2 * benchmark.LIMITS["seconds"]
    assert found["accuracy"] > 0.95
