"""Audits and certificates: blind, exact, signed, computed again from the log, and superseded when labels change."""

import io
import json

import numpy as np
import orjson
import pytest
from django.core.management import call_command

from core.errors import Conflict, Invalid
from core.models import AuditEntry
from lifecycle.gold import mark
from lifecycle.overrule import give_back, overrule
from lifecycle.refit import refit_project
from marketplace.models import Hit
from quality.estimators.certificate import audit_interval
from quality.models import Belief, Certificate, Judgment, Sample, SampleItem
from quality.services import signing
from quality.services.certificates import check_certificates, document_of, issue_certificate, publish_certificate
from quality.services.sampling import answer_item, draw_sample, frame_of, unanswered
from quality.services.verifying import verify
from users.models import Notice

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_keys(settings, tmp_path):
    settings.CERTIFICATE_KEYS = tmp_path / "keys"


def audited(done, size=30):
    """A finished audit: every drawn item is answered with its truth."""
    sample = draw_sample(batch=done.batch, size=size, by=done.owner)
    for item in sample.items.all():
        answer_item(item=item, answer=done.word(item.hit_id), by=done.owner)
    return sample


def errors_of(done, sample):
    return sum(("zero", "one")[item.label] != done.word(item.hit_id) for item in sample.items.all())


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_an_audit_is_drawn_uniformly_with_a_seed_that_draws_it_again(finished):
    done = finished()

    sample = draw_sample(batch=done.batch, size=30, by=done.owner)

    frame = frame_of(done.batch, "digit", sample.drawn_at)
    again = np.random.default_rng(sample.seed).permutation(len(frame))[:30]
    assert [frame[row].hit for row in again] == list(sample.items.order_by("place").values_list("hit_id", flat=True))
    assert (sample.population, sample.size) == (60, 30)
    assert set(sample.items.values_list("inclusion", flat=True)) == {0.5}
    assert AuditEntry.objects.filter(act="sample.audit").get().details["seed"] == sample.seed


def test_known_answers_cannot_be_drawn(finished):
    done = finished()
    mark(hit=done.hits[0], keys={"digit": "one"}, by=done.owner)

    frame = frame_of(done.batch, "digit", draw_sample(batch=done.batch, size=30, by=done.owner).drawn_at)

    assert done.hits[0].pk not in {row.hit for row in frame}
    assert len(frame) == 59


def test_no_audit_is_drawn_while_answers_come_in(finished):
    done = finished()
    Hit.objects.filter(pk=done.hits[0].pk).update(state=Hit.State.OPEN)

    with pytest.raises(Conflict) as refusal:
        draw_sample(batch=done.batch, size=30, by=done.owner)

    assert refusal.value.code == "not_finished" and not Sample.objects.exists()


@pytest.mark.parametrize("size", [5, 61])
def test_a_size_that_proves_nothing_or_is_not_there_is_refused(finished, size):
    done = finished()

    with pytest.raises(Invalid) as refusal:
        draw_sample(batch=done.batch, size=size, by=done.owner)

    assert "From 20 to 60" in refusal.value.errors["size"] and not Sample.objects.exists()


def test_one_audit_at_a_time(finished):
    done = finished()
    draw_sample(batch=done.batch, size=30, by=done.owner)

    with pytest.raises(Conflict) as refusal:
        draw_sample(batch=done.batch, size=30, by=done.owner)

    assert refusal.value.code == "audit_under_way" and Sample.objects.count() == 1


def test_a_review_sample_prefers_doubt_and_keeps_each_probability(finished):
    done = finished(items=200)

    sample = draw_sample(batch=done.batch, size=40, by=done.owner, purpose="review")

    drawn = dict(sample.items.values_list("hit_id", "inclusion"))
    doubt = {row.hit: 1 - row.confidence for row in frame_of(done.batch, "digit", sample.drawn_at)}
    assert np.mean([doubt[hit] for hit in drawn]) > np.mean(list(doubt.values())) * 1.2
    assert all(0 < share <= 1 for share in drawn.values()) and len(set(drawn.values())) > 1
    # Inverse weights give the size of the whole back.
    assert sum(1 / share for share in drawn.values()) == pytest.approx(200, rel=0.35)


# --- answering --------------------------------------------------------------------------------------------------------


def test_an_answer_that_the_question_does_not_take_is_refused(finished):
    done = finished()
    item = draw_sample(batch=done.batch, size=30, by=done.owner).items.first()

    with pytest.raises(Invalid) as refusal:
        answer_item(item=item, answer="seven", by=done.owner)

    assert "Choose one of" in refusal.value.errors["answer"]
    assert unanswered(Sample.objects.all()).count() == 30


def test_no_certificate_before_every_item_is_answered(finished):
    done = finished()
    sample = draw_sample(batch=done.batch, size=30, by=done.owner)

    with pytest.raises(Conflict) as refusal:
        issue_certificate(sample=sample, by=done.owner)

    assert refusal.value.code == "audit_unfinished" and not Certificate.objects.exists()


def test_no_certificate_from_a_sample_that_prefers_doubt(finished):
    done = finished()
    sample = draw_sample(batch=done.batch, size=30, by=done.owner, purpose="review")
    for item in sample.items.all():
        answer_item(item=item, answer="one", by=done.owner)

    with pytest.raises(Conflict) as refusal:
        issue_certificate(sample=sample, by=done.owner)

    assert refusal.value.code == "no_audit"


# --- the claim --------------------------------------------------------------------------------------------------------


def test_the_claim_is_the_exact_interval(finished):
    done = finished()
    sample = audited(done)
    wrong = errors_of(done, sample)

    certificate = issue_certificate(sample=sample, by=done.owner)

    bounds = audit_interval(60, 30, wrong)
    claim = certificate.claim
    assert wrong > 0 and claim["right"] == 30 - wrong
    assert (claim["low"], claim["high"]) == (round(bounds.lower, 6), round(bounds.upper, 6))
    assert claim["low"] <= np.mean([("zero", "one")[b.label] == done.word(b.hit_id) for b in Belief.objects.all()])
    assert certificate.sections["making"]["answers"] == 300 and certificate.sections["making"]["workers"] == 5
    assert certificate.sections["making"]["answers_per_item"] == {"5": 60}
    per_label = certificate.sections["per_label"]["labels"]
    assert sum(row["audited"] for row in per_label) == 30 and sum(row["delivered"] for row in per_label) == 60


def test_no_answer_fits_counts_as_wrong(finished):
    done = finished(accuracy=1.0)
    sample = draw_sample(batch=done.batch, size=20, by=done.owner)
    for n, item in enumerate(sample.items.all()):
        answer_item(item=item, answer=done.word(item.hit_id) if n else None, by=done.owner)

    assert issue_certificate(sample=sample, by=done.owner).claim["right"] == 19


def test_errors_put_right_after_the_draw_do_not_count_as_right(finished):
    done = finished()
    sample = audited(done)
    wrong = errors_of(done, sample)
    assert wrong
    for item in sample.items.all():
        if ("zero", "one")[item.label] != done.word(item.hit_id):
            overrule(hit=item.hit, question="digit", answer=done.word(item.hit_id), by=done.owner)

    certificate = issue_certificate(sample=sample, by=done.owner)

    assert certificate.claim["right"] == 30 - wrong
    assert not [check for check in verified(certificate) if check.state == "BROKEN"]


def test_labels_that_no_fit_has_seen_are_not_certified(finished):
    done = finished()
    sample = audited(done)
    Belief.objects.filter(hit=done.hits[0]).update(run=None)

    with pytest.raises(Conflict) as refusal:
        issue_certificate(sample=sample, by=done.owner)

    assert refusal.value.code == "not_fitted"


def test_every_draw_is_told(finished):
    done = finished()
    issue_certificate(sample=audited(done), by=done.owner)

    second = issue_certificate(sample=audited(done), by=done.owner)

    assert second.claim["audit"]["number_of_draws"] == 2
    first = Certificate.objects.exclude(pk=second.pk).get()
    assert first.state == "superseded" and second.number in first.superseded_because


# --- signature and log ------------------------------------------------------------------------------------------------


def verified(certificate):
    return verify(orjson.dumps(document_of(certificate)))


def told(certificate_file):
    out = io.StringIO()
    try:
        call_command("verify_certificate", str(certificate_file), stdout=out)
        return 0, out.getvalue()
    except SystemExit as end:
        return end.code, out.getvalue()


def test_a_certificate_is_verified_against_the_log(finished, tmp_path):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)
    path = tmp_path / "certificate.json"
    path.write_bytes(orjson.dumps(document_of(certificate)))

    code, said = told(path)

    assert code == 0
    assert "60 labels follow from the judgment log" in said and "Figures follow from the log" in said


@pytest.mark.parametrize("change", ["claim", "section", "signature"])
def test_a_file_that_was_changed_is_found_out(finished, change):
    done = finished()
    document = document_of(issue_certificate(sample=audited(done), by=done.owner))
    if change == "claim":
        document["claim"]["low"] = 0.99
    elif change == "section":
        document["sections"]["making"]["workers"] = 500
    else:
        document["signature"]["value"] = "A" * 86 + "=="

    broken = [check.says for check in verify(json.dumps(document).encode()) if check.state == "BROKEN"]

    assert broken


def test_a_log_that_was_added_to_or_an_answer_that_was_changed_is_found_out(finished):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)
    right = next(item for item in certificate.sample.items.all() if ("zero", "one")[item.label] == item.answer)
    SampleItem.objects.filter(pk=right.pk).update(answer=None)

    broken = [check for check in verified(certificate) if check.state == "BROKEN"]

    assert [check.says for check in broken] == ["Figures differ."]
    assert any(line.startswith("right:") for line in broken[0].details)


def test_later_judgments_do_not_break_what_was_signed(finished, make_worker):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)
    Judgment.objects.create(
        project_id=done.batch.project_id, batch=done.batch, hit=done.hits[0], worker=make_worker(), assignment_id=0,
        question="digit", version=1, label=0,
    )  # fmt: skip
    refit_project(project=done.batch.project)

    assert not [check for check in verified(certificate) if check.state == "BROKEN"]


def test_after_a_rotation_new_and_old_certificates_verify(finished):
    done = finished()
    first = issue_certificate(sample=audited(done), by=done.owner)
    call_command("rotate_certificate_key", stdout=io.StringIO())

    second = issue_certificate(sample=audited(done), by=done.owner)

    assert first.key_id != second.key_id
    for certificate in (first, second):
        assert not [check for check in verified(certificate) if check.state == "BROKEN"]


def test_a_key_that_is_not_ours_convinces_nobody(finished, settings, tmp_path):
    done = finished()
    document = orjson.dumps(document_of(issue_certificate(sample=audited(done), by=done.owner)))
    settings.CERTIFICATE_KEYS = tmp_path / "other"

    checks = verify(document)

    assert "not of this site" in checks[0].says and checks[0].state == "BROKEN"


def test_the_secret_half_is_for_its_owner_only(finished):
    done = finished()
    issue_certificate(sample=audited(done), by=done.owner)

    [secret] = signing._folder().glob("*.key")
    assert secret.stat().st_mode & 0o077 == 0


def test_sections_that_are_kept_back_leave_the_signature_whole(finished):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)
    publish_certificate(certificate=certificate, is_public=True, shows=["making"], by=done.owner)

    document = document_of(certificate, certificate.shows)

    assert set(document["sections"]) == {"making"}
    assert not [check for check in verify(orjson.dumps(document)) if check.state == "BROKEN"]


def test_what_is_no_certificate_is_told_so(tmp_path):
    for content in (b"", b"[]", b'{"claim": {}}', b"\xff\x00"):
        assert [check.state for check in verify(content)] == ["BROKEN"]


# --- superseded -------------------------------------------------------------------------------------------------------


def test_a_label_that_a_person_changes_supersedes(finished):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)
    belief = Belief.objects.get(hit=done.hits[0])

    overrule(hit=done.hits[0], question="digit", answer=("one", "zero")[belief.label], by=done.owner)
    assert check_certificates() == 1

    certificate.refresh_from_db()
    assert certificate.state == "superseded" and "1 of its labels" in certificate.superseded_because
    assert (
        Notice.objects.get(user=done.owner, kind="batch.certificate_superseded").body == certificate.superseded_because
    )


def test_a_refit_that_changes_nothing_leaves_it_valid(finished):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)

    refit_project(project=done.batch.project)
    assert check_certificates() == 1

    certificate.refresh_from_db()
    assert certificate.state == "valid" and certificate.checked_at is not None


def test_a_label_given_back_is_what_it_was(finished):
    done = finished()
    certificate = issue_certificate(sample=audited(done), by=done.owner)
    before = Belief.objects.get(hit=done.hits[0])
    overrule(hit=done.hits[0], question="digit", answer=("one", "zero")[before.label], by=done.owner)

    give_back(hit=done.hits[0], question="digit", by=done.owner)
    check_certificates()

    after = Belief.objects.get(hit=done.hits[0])
    certificate.refresh_from_db()
    assert (after.label, after.state) == (before.label, before.state) and certificate.state == "valid"
