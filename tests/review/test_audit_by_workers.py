"""Audits that trusted workers answer: paid, blind, by those who had no part in the labels."""

import json

import pytest

from core.errors import Conflict
from core.models import Operation
from lifecycle.accept import accept
from lifecycle.audit_crowd import send_to_workers, take_in_audits
from lifecycle.digest import digest_due
from lifecycle.operations import run_to_end
from lifecycle.submit import submit
from marketplace.errors import NotEligible
from marketplace.models import Assignment, Batch
from quality.models import Sample, WorkerReliability
from quality.services.certificates import issue_certificate
from quality.services.sampling import draw_sample

pytestmark = pytest.mark.django_db
RULES = {"estimated_seconds": 5}


@pytest.fixture(autouse=True)
def own_keys(settings, tmp_path):
    settings.CERTIFICATE_KEYS = tmp_path / "keys"


def trusted(done, worker):
    WorkerReliability.objects.create(worker=worker, project=done.batch.project, question="digit", state="trusted")
    return worker


def test_trusted_workers_answer_and_the_certificate_says_so(finished, make_worker):
    done = finished(items=20, rules=RULES)
    workers = [trusted(done, make_worker()) for _ in range(3)]
    sample = draw_sample(batch=done.batch, size=20, by=done.owner)

    own = send_to_workers(sample=sample, by=done.owner)
    run_to_end(Operation.objects.get(kind="publish"))
    own = Batch.objects.select_related("project").get(pk=own.pk)
    assert own.state == "open" and own.hits.count() == 20
    with pytest.raises(NotEligible):
        accept(worker=make_worker(), batch=own)
    items = {str(item.public_id): item for item in sample.items.all()}
    for worker in workers:
        for _ in range(20):
            place = Assignment.objects.select_related("batch", "hit__data_row").get(
                pk=accept(worker=worker, batch=own).assignment_id
            )
            word = done.word(items[place.hit.data_row.external_id].hit_id)
            submit(assignment=place, raw=json.dumps({"answers": {"digit": word}, "seconds": 9}).encode(), undo=0)
            digest_due()
    assert take_in_audits() == 20

    claim = issue_certificate(sample=Sample.objects.get(), by=done.owner).claim
    wrong = sum(("zero", "one")[item.label] != done.word(item.hit_id) for item in items.values())
    assert (claim["auditors"], claim["right"]) == ("trusted workers", 20 - wrong)


def test_those_behind_the_labels_do_not_audit_them(finished, make_worker):
    done = finished(items=20)
    assert WorkerReliability.objects.filter(project=done.batch.project).update(state="trusted") == 5
    sample = draw_sample(batch=done.batch, size=20, by=done.owner)

    with pytest.raises(Conflict) as refusal:
        send_to_workers(sample=sample, by=done.owner)

    assert refusal.value.code == "nobody" and not Operation.objects.filter(kind="publish").exists()
