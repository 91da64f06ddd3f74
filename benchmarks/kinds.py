"""What the estimators of answers that are not classes reach on real crowds, beside the plain way and crowd-kit's ROVER.

    python benchmarks/kinds.py [--clips 300] [--without-peers]

Transcripts (word error rate), boxes (F1 at IoU .5), names in sentences (span F1), feelings (mean absolute error), and
pairs (held-out accuracy). Exits 1 over the limits. Reads the folder DATASETS_DIR as `benchmarks/accuracy.py` does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.limits import Verdicts, are_crowds_here, at_least, at_most
from benchmarks.peers import BENCH_PYTHON, make_environment, output
from quality.estimators import BoxConsensus, BradleyTerry, RobustMean, SequenceConsensus, TextConsensus
from quality.estimators.boxes import box_matches
from quality.estimators.sequences import spans_of
from quality.estimators.text import word_error_rate
from tests.support import datasets

ROVER = """
import json, sys
import pandas as pd
from crowdkit.aggregation import ROVER
rows = pd.DataFrame(json.load(open(sys.argv[1])), columns=["task", "worker", "text"])
found = ROVER(lambda text: text.split(), lambda words: " ".join(words)).fit_predict(rows)
json.dump(found.to_dict(), sys.stdout)
"""


def main() -> int:
    """Print each figure beside its limit; say by the exit code whether all hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=300, help="transcripts of the first so many")
    parser.add_argument("--without-peers", action="store_true")
    options = parser.parse_args()
    if not are_crowds_here():
        return 1
    verdicts = Verdicts()
    ours, votes = transcripts(options.clips)
    limit = 0.072 if options.without_peers else rover(options.clips)
    words = f"transcripts of {options.clips} clips, word error rate"
    verdicts.say(words, ours, at_most(limit), "crowd-kit's ROVER")
    print(f"        the same without weights of workers: {votes:.4f}")
    verdicts.say("boxes, F1 at IoU .5", boxes_f1(), at_least(0.92))
    verdicts.say("names, span F1", span_f1(), at_least(0.767), "a Dawid-Skene a token")
    ours, mean = affect_error()
    verdicts.say("feelings, mean absolute error", ours, at_most(mean + 1e-9), "the mean's")
    verdicts.say("pairs held out, accuracy", pair_accuracy(), at_least(0.82))
    return verdicts.exit_code


def columns(table: Sequence[dict[str, str]], read=str) -> tuple[list, list, list]:
    """Items, workers and answers of rows."""
    return [row["task"] for row in table], [row["worker"] for row in table], [read(row["label"]) for row in table]


def bare(text: str) -> str:
    """Words as they are compared in speech: small letters, no punctuation."""
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split())


def clips_of(n_clips: int) -> tuple[list[dict[str, str]], dict[str, str]]:
    truth = {row["task"]: row["label"] for row in datasets.rows("crowdspeech_dev_clean", "truth")}
    wanted = set(sorted(truth, key=int)[:n_clips])
    return [row for row in datasets.rows("crowdspeech_dev_clean") if row["task"] in wanted], truth


def transcripts(n_clips: int) -> tuple[float, float]:
    """Mean word error rate of the first clips: of ours, and of the same where all workers weigh alike."""
    table, truth = clips_of(n_clips)
    items, workers, texts = columns(table, bare)
    found = []
    for who in (workers, np.arange(len(items))):  # workers with one answer each can't be told apart
        model = TextConsensus().fit(items, who, texts)
        rates = [word_error_rate(truth[item], text) for item, text in zip(model.items_, model.estimates_, strict=True)]
        found.append(float(np.mean(rates)))
    return found[0], found[1]


def rover(n_clips: int) -> float:
    """The same of crowd-kit's ROVER."""
    make_environment()
    table, truth = clips_of(n_clips)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        file.write_text(json.dumps(list(zip(*columns(table, bare), strict=True))))
        texts = output([str(BENCH_PYTHON), "-c", ROVER, str(file)])
    return float(np.mean([word_error_rate(truth[item], text) for item, text in texts.items()]))


def boxes_f1() -> float:
    """F1 over all pictures of the boxes that are delivered, at IoU .5."""
    name = "boxes_pedestrians_a"
    truth = {r["task"]: np.array(json.loads(r["label"])).reshape(-1, 4) for r in datasets.rows(name, "truth")}
    model = BoxConsensus().fit(*columns(datasets.rows(name), json.loads))
    scored = [(found, truth[item]) for item, found in zip(model.items_, model.estimates_, strict=True) if item in truth]
    matched = sum(box_matches(found, true) for found, true in scored)
    return 2 * matched / sum(len(found) + len(true) for found, true in scored)


def span_f1(every: int = 1) -> float:
    """F1 over the names in every so-manieth sentence. A majority a tag reaches .676, Dawid-Skene a token .767."""
    truth = {row["task"]: row["label"].split() for row in datasets.rows("ner_conll_a", "truth")}
    some = set(sorted(truth)[::every])
    table = [row for row in datasets.rows("ner_conll_a") if row["task"] in some]
    model = SequenceConsensus().fit(*columns(table, str.split))
    pairs = [(spans_of(tags), spans_of(truth[item])) for item, tags in zip(model.items_, model.estimates_, strict=True)]
    return 2 * sum(len(a & b) for a, b in pairs) / sum(len(a) + len(b) for a, b in pairs)


def affect_error() -> tuple[float, float]:
    """Mean absolute error of the feelings that headlines stir: ours and the mean's."""
    truth = {row["task"]: float(row["label"]) for row in datasets.rows("affect_a", "truth")}
    items, workers, values = columns(datasets.rows("affect_a"), float)
    model = RobustMean().fit(items, workers, values)
    _, item = np.unique(items, return_inverse=True)
    mean = np.bincount(item, values) / np.bincount(item)
    known = np.array([truth[item] for item in model.items_])
    return float(np.abs(model.estimates_ - known).mean()), float(np.abs(mean - known).mean())


def pair_accuracy(n_topics: int | None = None) -> float:
    """Share of held-out pairs of arguments whose better one is told, a fifth of the pairs of each topic held out."""
    table = datasets.rows("convarg_a")
    truth = {row["task"]: row["label"] for row in datasets.rows("convarg_a", "truth")}
    meaning = {"a1": "left", "a2": "right", "equal": "tie"}
    right = []
    for topic in sorted({row["topic"] for row in table})[:n_topics]:
        part = [row for row in table if row["topic"] == topic]
        tasks = sorted({row["task"] for row in part})
        held = set(np.random.default_rng(0).choice(tasks, len(tasks) // 5, replace=False).tolist())
        taught = [row for row in part if row["task"] not in held]
        model = BradleyTerry().fit(
            *([row[name] for row in taught] for name in ("left", "right", "worker")),
            [meaning[row["label"]] for row in taught],
        )
        score = dict(zip(model.items_, model.scores_, strict=True))
        sides = {row["task"]: (row["left"], row["right"]) for row in part}
        right += [
            (score[sides[task][0]] > score[sides[task][1]]) == (truth[task] == "a1")
            for task in sorted(held)
            if truth.get(task) in ("a1", "a2") and set(sides[task]) <= set(score)
        ]
    return float(np.mean(right))


if __name__ == "__main__":
    sys.exit(main())
