"""Other people's methods on the same answers, in an environment of their own (var/bench-venv)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
BENCH_PYTHON = PROJECT / "var/bench-venv/bin/python"

#: Classification methods of crowd-kit that take seconds (its GLAD takes minutes), and CROWDLAB on its Dawid-Skene.
CROWD = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd
from crowdkit import aggregation as kit
columns = json.load(open(sys.argv[1]))
data = pd.DataFrame({"task": columns["items"], "worker": columns["workers"], "label": columns["labels"]})
found = {}
for name, make in {
    "kit DawidSkene": lambda: kit.DawidSkene(n_iter=100),
    "kit OneCoin": lambda: kit.OneCoinDawidSkene(n_iter=100),
    "kit MMSR": lambda: kit.MMSR(random_state=0),
    "kit Wawa": lambda: kit.Wawa(),
    "kit ZBS": lambda: kit.ZeroBasedSkill(),
}.items():
    try:
        model = make()
        found[name] = model.fit_predict(data).to_dict()
    except Exception as error:  # crowd-kit 1.4.2's Wawa and ZBS do not know today's scikit-learn
        print(f"{name} failed: {error}", file=sys.stderr)
        continue
    if name == "kit DawidSkene":
        posterior = model.probas_
from cleanlab.multiannotator import get_label_quality_multiannotator
classes = sorted(set(data["label"]))
code = {label: k for k, label in enumerate(classes)}
wide = data.assign(label=data["label"].map(code)).pivot_table(index="task", columns="worker", values="label")
probas = posterior.reindex(index=wide.index, columns=classes).fillna(0).to_numpy() + 1e-6
probas /= probas.sum(axis=1, keepdims=True)
try:
    quality = get_label_quality_multiannotator(
        wide.reset_index(drop=True), probas, return_detailed_quality=False, return_annotator_stats=False, verbose=False
    )["label_quality"]
    said = quality["consensus_label"].astype(int).to_numpy()
    found["CROWDLAB"] = {task: classes[k] for task, k in zip(wide.index, said)}
except Exception as error:
    print(error, file=sys.stderr)
json.dump(found, sys.stdout)
"""


def peer_labels(data) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Items and labels by each method that runs here."""
    make_environment()
    with tempfile.TemporaryDirectory() as folder:
        columns = Path(folder) / "columns.json"
        columns.write_text(json.dumps({name: getattr(data, name).tolist() for name in ("items", "workers", "labels")}))
        found = output([str(BENCH_PYTHON), "-c", CROWD, str(columns)])
    return {name: (np.array(list(labels)), np.array(list(labels.values()))) for name, labels in found.items()}


def make_environment() -> None:
    """Create var/bench-venv if it is not there or its packages do not start."""
    starts = [BENCH_PYTHON, "-c", "import crowdkit.aggregation, cleanlab.multiannotator"]
    if BENCH_PYTHON.exists() and not subprocess.run(starts, capture_output=True).returncode:
        return
    print("Making var/bench-venv for crowd-kit and cleanlab ...", file=sys.stderr)
    venv.create(BENCH_PYTHON.parents[1], clear=True, with_pip=True)
    wanted = ["install", "--quiet", "--no-deps", "-r", str(PROJECT / "requirements-bench.txt")]
    subprocess.run([BENCH_PYTHON, "-m", "pip", *wanted], check=True)


def output(command: list[str]):
    """What a child process printed, as JSON."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=child_environment())
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:2])} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def child_environment() -> dict[str, str]:
    """The project on the path; nothing else that could differ."""
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
