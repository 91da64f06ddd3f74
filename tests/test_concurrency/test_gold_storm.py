"""Gold in the middle of the storm: scoring, pausing, shares, corrected keys, while everything else goes on."""

import random

import pytest

from lifecycle import close, digest, gold, watch
from lifecycle.invariants import check_invariants
from marketplace.models import Assignment, Batch, Hit
from quality.models import Contest, GoldQuestion, GoldScore, WorkerReliability
from quality.services.contesting import open_contest
from quality.services.watching import reinstate_worker
from tests.test_concurrency.test_deadlocks import Market, a_random, storm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("storm")]


class GoldMarket(Market):
    def score(self):
        watch.take_in_scores()

    def pause(self):
        watch.carry_pauses()

    def share(self):
        watch.set_gold_shares()

    def limit(self):
        watch.limit_gold()

    def mark(self):
        if hit := a_random(Hit.objects.filter(lane=0, state__in=[0, 1])):
            gold.mark(hit=hit, keys={"gold": random.choice(["one", "zero"])}, by=None)

    def release(self):
        if marked := a_random(GoldQuestion.objects.filter(state="active")):
            gold.release(marked=marked, by=None)

    def correct(self):
        if marked := a_random(GoldQuestion.objects.all()):
            keys = random.choice([None, {"gold": "one"}, {"gold": "zero | one"}])
            gold.put_right(marked=marked, keys=keys, by=None, reason="Looked at again.")

    def dispute(self):
        if done := a_random(Assignment.objects.filter(state="approved")):
            open_contest(assignment=done, reason="It is right.")

    def rule_on_dispute(self):
        if contest := a_random(Contest.objects.filter(state="open")):
            gold.rule(contest=contest, is_upheld=random.random() < 0.5, ruling="So it is.", by=None)

    def reinstate(self):
        if row := a_random(WorkerReliability.objects.filter(state="paused")):
            reinstate_worker(project=row.project, worker=row.worker, by=None, reason="Looked at.")

    def acts(self):
        mine = [self.score, self.score, self.limit, self.share, self.pause, self.mark, self.mark]
        return super().acts() + mine + [self.release, self.correct, self.dispute, self.rule_on_dispute, self.reinstate]


def test_gold_in_the_storm(make_project, make_requester, make_batch, make_crowd):
    project = make_project(requester=make_requester(), rules={"max_open": 50, "gold_share": 0.5})
    batches = [make_batch(project=project, hits=150) for _ in range(2)]
    for batch in batches:
        for hit in batch.hits.order_by("position")[:40]:
            gold.mark(hit=hit, keys={"gold": "one"}, by=None)
    market = GoldMarket(batches, make_crowd(12))
    did, broke = storm(market)
    for batch in batches:
        close.close_batch(batch=Batch.objects.get(pk=batch.pk))
    digest.digest_due()
    while watch.take_in_scores() or watch.carry_pauses():
        pass

    assert broke == [], "\n".join(sorted(set(broke)))
    assert {finding.name: finding.broken for finding in check_invariants() if finding.broken} == {}
    assert not GoldQuestion.objects.filter(state="active").exists()
    # What stands in the reliabilities is what the log says, however often it was read at the same time.
    for row in WorkerReliability.objects.filter(question="digit", part=""):
        scores = GoldScore.objects.filter(worker=row.worker_id, counts=True)
        assert row.right == scores.filter(passed=True).count()
        assert row.wrong == scores.filter(passed=False).count()
    for act in ("score", "limit", "share", "mark", "release", "correct", "dispute", "rule_on_dispute"):
        assert did[act] > 0, f"{act} never happened: {did}"
