"""Transcripts from publish to a certificate of their mean score, and what such a certificate is worth."""

import io
import json
import re
from html import unescape

import numpy as np
import orjson
import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.urls import reverse

from lifecycle.accept import accept
from lifecycle.close import close_batch
from lifecycle.digest import digest_due
from lifecycle.events import labels_settled
from lifecycle.operations import run_to_end
from lifecycle.publish import publish_batch
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.errors import NoWork
from marketplace.models import Assignment, Batch, Hit, Participation
from marketplace.services.posting import attach_upload, create_batch
from payments.models import Account
from payments.selectors import balance
from quality.estimators.certificate import audit_interval, score_interval
from quality.estimators.text import word_error_rate
from quality.models import Belief, Certificate
from quality.services.certificates import check_certificates, document_of, issue_certificate
from quality.services.exporting import label_rows
from quality.services.sampling import answer_item, draw_sample
from quality.services.verifying import verify

SAID = {"name": "said", "kind": "text", "score": {"grader": "wer"}}
ITEMS, EASY, MOST = 24, 14, 4
RULES = {"target": 0.9, "min_answers": 2, "max_answers": MOST, "gold_share": 0.0, "max_open": 100}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_keys(settings, tmp_path):
    settings.CERTIFICATE_KEYS = tmp_path / "keys"


def truth(row):
    return " ".join(f"w{n}" for n in np.random.default_rng(row).integers(0, 60, 8))


def heard(row, rng):
    """What is easy to hear is heard rightly; of the rest nearly every other word is wrong."""
    words = truth(row).split()
    return " ".join(w if row < EASY or rng.random() > 0.45 else f"x{rng.integers(99)}" for w in words)


@pytest.fixture
def transcribed(make_project, make_worker):
    """A batch of recordings that was published, answered until it is settled, closed and fitted."""

    def make(question=SAID, answer=heard, rules=RULES):
        project = make_project(questions=[question], rules=rules)
        owner = project.requester.memberships.get().user
        batch = create_batch(project=project, name="Tapes")
        rows = b"".join(orjson.dumps({"text": f"tape {n}", "external_id": str(n)}) + b"\n" for n in range(ITEMS))
        batch = attach_upload(batch=batch, file=ContentFile(rows), name="tapes.jsonl")
        run_to_end(publish_batch(batch=batch, by=owner))
        rng, workers = np.random.default_rng(3), [make_worker() for _ in range(6)]
        row_of = dict(Hit.objects.filter(batch=batch).values_list("pk", "data_row__external_id"))
        is_busy = True
        while is_busy:
            is_busy = False
            Participation.objects.update(dry_until=None)
            for worker in workers:
                try:
                    place = accept(worker=worker, batch=batch)
                except NoWork:
                    continue
                said = answer(int(row_of[place.hit_id]), rng)
                given = Assignment.objects.get(pk=place.assignment_id)
                submit(assignment=given, raw=json.dumps({"answers": {question["name"]: said}}).encode())
                is_busy = True
            digest_due()
        return Batch.objects.get(pk=batch.pk), owner, {pk: int(row) for pk, row in row_of.items()}

    return make


def audited(batch, owner, row_of, size=22, answer=truth):
    sample = draw_sample(batch=batch, size=size, by=owner)
    for item in sample.items.all():
        answer_item(item=item, answer=answer(row_of[item.hit_id]), by=owner)
    return sample


def test_transcripts_go_from_publish_to_a_certificate_that_is_verified(transcribed, tmp_path, settings):
    batch, owner, row_of = transcribed()

    # Easy ones stopped early, and what they saved came back at once.
    hits = {row_of[hit.pk]: hit for hit in Hit.objects.filter(batch=batch)}
    assert {hits[row].taken for row in range(EASY)} <= {2, 3}  # a third, of those who have just begun
    assert np.mean([hits[row].taken for row in range(EASY, ITEMS)]) > MOST - 0.5
    assert all(hit.state == Hit.State.RETIRED and hit.funded == hit.taken for hit in hits.values())
    unpaid = Assignment.objects.filter(batch=batch).exclude(state="approved").count()
    assert balance(Account.Kind.ESCROW, batch.pk) == unpaid * batch.price

    run_to_end(close_batch(batch=batch))
    batch.refresh_from_db()
    [run] = refit_project(project=batch.project)
    sample = audited(batch, owner, row_of)
    certificate = issue_certificate(sample=sample, by=owner)

    # The claim is what anybody would compute by hand.
    claim, items = certificate.claim, list(sample.items.order_by("place"))
    scores = np.array([1 - word_error_rate(truth(row_of[item.hit_id]), item.value) for item in items]).clip(0)
    bounds = score_interval(scores, ITEMS)
    assert 0.5 < scores.mean() < 1 and len(set(scores)) > 2
    assert claim["score"] == {
        "measure": "word accuracy",
        "mean": pytest.approx(scores.mean(), abs=1e-6),
        "low": pytest.approx(bounds.lower, abs=1e-6),
        "high": pytest.approx(bounds.upper, abs=1e-6),
        "method": "betting, without replacement",
    }
    n_right = int((scores >= 0.9).sum())
    passed = audit_interval(ITEMS, 22, 22 - n_right)
    assert (claim["right"], claim["audited"]) == (n_right, 22)
    assert claim["low"] == pytest.approx(passed.lower, abs=1e-6)
    making = certificate.sections["making"]
    assert making["agreement"] is None and "distance" in making["undefined"]["alpha"]
    assert 0.5 < making["expected_score"] < 1 and not making["is_calibrated"]
    assert "per_label" not in certificate.sections

    content = orjson.dumps(document_of(certificate))
    assert [check.state for check in verify(content)] == ["ok"] * 4
    path, out = tmp_path / "certificate.json", io.StringIO()
    path.write_bytes(content)
    call_command("verify_certificate", str(path), stdout=out)
    assert "Figures follow from the log" in out.getvalue()
    document = orjson.loads(content)
    document["claim"]["score"]["mean"] = 0.99
    assert verify(orjson.dumps(document))[0].state == "BROKEN"


def test_other_answers_break_it(transcribed):
    batch, owner, row_of = transcribed()
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)
    certificate = issue_certificate(sample=audited(batch, owner, row_of), by=owner)

    changed = certificate.sample.items.order_by("place").first()
    type(changed).objects.filter(pk=changed.pk).update(answer="something else altogether")

    lines = [line for check in verify(orjson.dumps(document_of(certificate))) for line in check.details]
    assert any(line.startswith("score.mean") for line in lines)


def test_one_from_before_there_were_scores_is_verified_as_it_was(transcribed):
    batch, owner, row_of = transcribed()
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)
    certificate = issue_certificate(sample=audited(batch, owner, row_of), by=owner)
    claim = {name: value for name, value in certificate.claim.items() if name != "score"}
    added = ("expected_score", "without_expected_score", "is_calibrated", "undefined")
    making = {name: value for name, value in certificate.sections["making"].items() if name not in added}
    sections = {name: value for name, value in certificate.sections.items() if name != "second_estimate"}
    Certificate.objects.filter(pk=certificate.pk).update(claim=claim, sections=sections | {"making": making})
    certificate.refresh_from_db()

    checks = verify(orjson.dumps(document_of(certificate)))

    assert checks[-1].says == "Figures follow from the log."


def test_one_answer_each_is_certified_and_says_why_there_is_no_expected_score(transcribed):
    rules = RULES | {"mode": "fixed", "answers": 1}
    batch, owner, row_of = transcribed(rules=rules)
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)
    certificate = issue_certificate(sample=audited(batch, owner, row_of), by=owner)

    making = certificate.sections["making"]
    assert (making["expected_score"], making["without_expected_score"]) == (None, ITEMS)
    assert making["undefined"]["expected_score"].startswith("24 labels have none. It has one answer")
    assert certificate.claim["score"]["low"] < certificate.claim["score"]["mean"] <= certificate.claim["score"]["high"]
    assert [check.state for check in verify(orjson.dumps(document_of(certificate)))] == ["ok"] * 4
    [row] = label_rows(batch, [Hit.objects.filter(batch=batch).first()])
    assert (row["labels"]["said"]["confidence"], row["labels"]["said"]["calibrated"]) == (None, None)


def test_numbers_are_right_within_their_tolerance_and_bounded_exactly(transcribed):
    length = {"name": "length", "kind": "number", "na": True, "score": {"relative": 0.05}}
    batch, owner, row_of = transcribed(length, lambda row, rng: 100 + row + (30 * rng.random() if row > EASY else 0))
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)

    certificate = issue_certificate(sample=audited(batch, owner, row_of, answer=lambda row: 100 + row), by=owner)

    claim = certificate.claim
    assert claim["score"]["measure"] == "within tolerance" and claim["score"]["method"] == "exact hypergeometric"
    assert {name: claim["score"][name] for name in ("low", "high")} == {"low": claim["low"], "high": claim["high"]}
    assert claim["score"]["mean"] == claim["accuracy"] < 1
    assert "per_label" not in certificate.sections
    assert [check.state for check in verify(orjson.dumps(document_of(certificate)))] == ["ok"] * 4
    assert check_certificates() == 0


def test_texts_that_fit_one_pattern_are_not_equal_by_it(transcribed):
    plate = {"name": "plate", "kind": "text", "score": {"grader": "pattern", "pattern": "[A-Z]{2}-[0-9]+"}}
    batch, owner, row_of = transcribed(plate, lambda row, rng: f"AB-{row}")
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)

    wrong = issue_certificate(sample=audited(batch, owner, row_of, answer=lambda row: f"XY-{row}"), by=owner)

    assert (wrong.claim["right"], wrong.claim["score"]["mean"]) == (0, 0.0)


def test_export_and_event_say_the_expected_score(transcribed, make_batch):
    batch, _, row_of = transcribed()
    refit_project(project=batch.project)
    hit = next(pk for pk, row in row_of.items() if row == 0)

    [row] = label_rows(batch, [Hit.objects.get(pk=hit)])

    belief = Belief.objects.get(hit=hit)
    assert row["labels"]["said"]["confidence"] == round(belief.confidence, 4) == 1.0
    assert row["labels"]["said"]["calibrated"] is False
    labels_settled([belief], {hit: batch})  # a label without a class is told as well


# --- pages ------------------------------------------------------------------------------------------------------------


def words_of(client, name, *arguments):
    page = client.get(reverse(name, args=arguments))
    assert page.status_code == 200
    words = " ".join(unescape(re.sub(r"<[^>]+>", " ", page.content.decode())).split())
    return re.sub(r" ([,.])", r"\1", words)


def test_pages_speak_of_an_expected_score(transcribed, client):
    batch, owner, row_of = transcribed()
    client.force_login(owner)
    batch_id = batch.public_id

    assert "Expected score" in words_of(client, "studio_batch", batch_id)
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)
    certificate = issue_certificate(sample=audited(batch, owner, row_of), by=owner)
    mean, low, high = (f"{certificate.claim['score'][name]:.2f}" for name in ("mean", "low", "high"))

    results = words_of(client, "studio_results", batch_id)
    assert "Mean expected score about" in results and "Mean confidence" not in results
    assert f"Word accuracy {mean} {low} – {high}, from 22 random checks" in results
    assert f"word accuracy {mean} ({low} – {high})" in words_of(client, "studio_proof", batch_id)
    disputed = Belief.objects.filter(hit__batch=batch, state="disputed").select_related("hit__data_row").first()
    assert "Not calibrated yet" in words_of(client, "studio_item", disputed.hit.data_row.public_id)
    assert "your target is 90" in words_of(client, "studio_review", batch_id)
    page = words_of(client, "studio_certificate", certificate.public_id)
    assert f"the mean word accuracy (1 less the word error rate) is {mean}," in page
    assert f"between {low} and {high}." in page and "labels right in a thousand" not in page
    assert "not defined: texts have no distance" in page


def test_pages_say_why_there_is_no_expected_score(transcribed, client):
    batch, owner, row_of = transcribed(rules=RULES | {"mode": "fixed", "answers": 1})
    client.force_login(owner)
    run_to_end(close_batch(batch=batch))
    refit_project(project=batch.project)
    certificate = issue_certificate(sample=audited(batch, owner, row_of), by=owner)

    results = words_of(client, "studio_results", batch.public_id)
    assert "One answer, and nothing to compare it with." in results
    assert "Mean expected score –" in results and "24 labels have none" in results
    hit = Hit.objects.filter(batch=batch).select_related("data_row").first()
    assert "Expected score: none. One answer" in words_of(client, "studio_item", hit.data_row.public_id)
    assert "24 items have none: one answer each" in words_of(client, "studio_certificate", certificate.public_id)
