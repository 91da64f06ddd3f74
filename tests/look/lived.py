"""The demonstration as it is after a day: people have worked, asked, appealed, audited and been paid.

Everything goes through the services that pages call, so that a picture of a page shows what a visitor would find.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lifecycle import demo, pay_out
from lifecycle.accept import accept
from lifecycle.bonus import pay_bonus
from lifecycle.clock import STEPS
from lifecycle.decide import reject
from lifecycle.qualify import ask
from lifecycle.submit import submit
from marketplace.models import Appeal, Assignment, Batch
from marketplace.services.appealing import file_appeal
from marketplace.services.messaging import answer_thread, write_as_worker
from payments.services.deposits import request_deposit
from quality.models import Certificate
from quality.services.certificates import issue_certificate, publish_certificate
from quality.services.sampling import answer_item, draw_sample
from users.models import User
from workers_app.models import Worker
from workers_app.services.granting import create_qualification

#: Answers of the visitor, seconds for each, and how many labels the audit looks at.
ANSWERS, SECONDS, AUDITED = 24, 4.5, 150


@dataclass(frozen=True)
class Day:
    """What happened, as far as a page is about it."""

    certificate: Certificate
    appeal: Appeal
    held: Assignment


def run_clock() -> None:
    """Let everything happen that is due."""
    while any(step() for _name, step, _seconds in STEPS):
        pass


def live_a_day(batch: Batch) -> Day:
    """After the crowd is through with `batch`: what its visitor, its requester and the staff's queues come to."""
    worker = Worker.objects.get(user__email=demo.ACCOUNTS["worker"][0])
    requester = batch.project.requester
    owner = User.objects.get(email=demo.ACCOUNTS["requester"][0])
    left = Batch.objects.select_related("project").get(name=demo.VISITOR_BATCH)
    given = [_answer(worker, left, demo.Crowd(left)) for _n in range(ANSWERS)]
    refused = reject(assignment=given[-1], by=owner.pk, reason="The stroke at the top makes it a seven.")
    appeal = file_appeal(assignment=refused, reason="The stroke is part of the paper. A one has none in row 12 either.")
    run_clock()
    asked = write_as_worker(worker=worker, project=batch.project, body="Is a seven with a bar still a seven?")
    answer_thread(thread=asked.thread, by=owner, body="It is. The bar is how it is written here.", is_by_worker=False)
    fraktur = create_qualification(requester=requester, name="Reads old handwriting", can_request=True)
    ask(worker=worker, qualification=fraktur, note="Six years in a parish archive.")
    request_deposit(requester=requester, amount=100_000_000, reference="Invoice 118")
    thanks = "For the note about barred sevens: it is in the instructions now."
    pay_bonus(assignment=given[0], amount=2_000_000, reason=thanks, key="notes", by=owner)
    pay_out.request(worker=worker, amount=1_500_000)
    return Day(_audit(batch, owner), appeal, Assignment.objects.get(pk=accept(worker=worker, batch=left).assignment_id))


def _answer(worker: Worker, batch: Batch, crowd: demo.Crowd) -> Assignment:
    place = accept(worker=worker, batch=batch)
    said = crowd.read(demo.CROWD[0], place.hit_id)
    assignment = Assignment.objects.select_related("batch", "hit__data_row").get(pk=place.assignment_id)
    submit(
        assignment=assignment, raw=json.dumps({"answers": {"digit": str(said)}, "seconds": SECONDS}).encode(), undo=0
    )
    return Assignment.objects.get(pk=assignment.pk)


def _audit(batch: Batch, owner: User) -> Certificate:
    truth = demo.Crowd(batch).truth
    sample = draw_sample(batch=batch, size=AUDITED, by=owner)
    for item in sample.items.select_related("sample", "hit"):
        answer_item(item=item, answer=str(truth[item.hit_id]), by=owner)
    certificate = issue_certificate(sample=sample, by=owner)
    return publish_certificate(certificate=certificate, is_public=True, shows=list(certificate.sections), by=owner)
