import pytest
from django.utils import timezone

from marketplace.models import Answer, Assignment
from quality.models import GoldQuestion, GoldScore


@pytest.fixture
def score_golds(db):
    """Gold scores of a worker, oldest first, as if the digest had left them: each on a HIT of its own."""

    def score(worker, batch, passed):
        hits = list(batch.hits.exclude(assignments__worker=worker).order_by("pk")[: len(passed)])
        assert len(hits) == len(passed), "the batch has too few HITs"
        for hit, is_right in zip(hits, passed, strict=True):
            gold, _ = GoldQuestion.objects.get_or_create(
                hit=hit, defaults={"project": batch.project, "keys": {"digit": {"accept": ["one"]}}}
            )
            data = {"answers": {"digit": "one" if is_right else "zero"}}
            now = timezone.now()
            assignment = Assignment.objects.create(
                hit=hit, batch=batch, worker=worker, state="approved", reward=0, deadline=now, opened_at=now,
                submitted_at=now,
            )  # fmt: skip
            answer = Answer.objects.create(assignment=assignment, sha256=b"", data=data, final_at=now, digested_at=now)
            GoldScore.objects.create(
                gold=gold, assignment=assignment, worker=worker, question="digit", answer=answer,
                score=float(is_right), passed=is_right,
            )  # fmt: skip

    return score
