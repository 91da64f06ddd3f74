"""Organisations: members, roles, invitations, blocks."""

import threading

import pytest
from django.db import connection

from core.errors import Conflict, NotThere
from lifecycle import qualify
from lifecycle.accept import accept
from marketplace.errors import NotEligible
from marketplace.models import Membership
from marketplace.services.blocking import block_worker, unblock_worker
from marketplace.services.members import change_role, invite_member, join, join_by_invitation, remove_member
from workers_app.services.granting import create_qualification


@pytest.fixture
def requester(make_requester):
    return make_requester()


@pytest.mark.django_db
def test_an_invitation_is_for_one_address_and_one_use(requester, make_user):
    user, other = make_user(), make_user()
    code = invite_member(requester=requester, email=user.email.upper(), role="reviewer").code

    with pytest.raises(NotThere):
        join_by_invitation(user=other, code=code)
    membership = join_by_invitation(user=user, code=code)
    with pytest.raises(NotThere):
        join_by_invitation(user=user, code=code)

    assert membership.role == "reviewer"
    assert not other.memberships.exists()


@pytest.mark.django_db
def test_the_last_owner_stays(requester):
    (owner,) = requester.memberships.all()

    with pytest.raises(Conflict, match="owner"):
        change_role(membership=owner, role="viewer")
    with pytest.raises(Conflict, match="owner"):
        remove_member(membership=owner)

    assert requester.memberships.get().role == "owner"


@pytest.mark.django_db(transaction=True)
def test_two_owners_cannot_take_each_other_out(requester, make_user):
    second = join(user=make_user(), requester_id=requester.pk, role="owner")
    first = requester.memberships.exclude(pk=second.pk).get()
    gate, outcomes = threading.Barrier(2), []

    def remove(membership):
        gate.wait()
        try:
            remove_member(membership=membership)
            outcomes.append("removed")
        except Conflict as error:
            outcomes.append(error.code)
        connection.close()

    threads = [threading.Thread(target=remove, args=[one]) for one in (first, second)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(outcomes) == ["last_owner", "removed"]
    assert Membership.objects.filter(requester=requester, role="owner").count() == 1


@pytest.mark.django_db
def test_a_block_holds_from_the_next_claim_on(make_batch, make_worker):
    batch, worker = make_batch(hits=3), make_worker()
    accept(worker=worker, batch=batch)
    requester = batch.project.requester

    block_worker(requester=requester, worker=worker, reason="Not again.")

    with pytest.raises(NotEligible) as refused:
        accept(worker=worker, batch=batch)
    assert set(refused.value.errors) == {"blocked"}
    assert unblock_worker(requester=requester, worker=worker)
    accept(worker=worker, batch=batch)


@pytest.mark.django_db
def test_a_worker_is_known_by_another_name_to_each_requester(make_batch, make_worker, api):
    worker = make_worker()
    names = []
    for batch in (make_batch(), make_batch()):
        accept(worker=worker, batch=batch)
        owner = batch.project.requester.memberships.get().user
        (row,) = api(owner, "read").get(f"batches/{batch.public_id}/assignments").json()["items"]
        names.append(row["worker"])

    assert names[0] != names[1]
    assert str(worker.public_id) not in names


@pytest.mark.django_db
def test_a_qualification_that_is_taken_back_closes_the_work_at_once(make_project, make_batch, make_worker, requester):
    needed = create_qualification(requester=requester, name="Latin")
    rules = {"requirements": [{"subject": str(needed.public_id), "compare": ">=", "value": 5}]}
    batch = make_batch(project=make_project(requester=requester, rules=rules), hits=3)
    worker = make_worker()
    with pytest.raises(NotEligible):
        accept(worker=worker, batch=batch)
    qualify.grant(qualification=needed, worker=worker, value=7)
    accept(worker=worker, batch=batch)

    qualify.revoke(qualification=needed, worker=worker)

    with pytest.raises(NotEligible):
        accept(worker=worker, batch=batch)
