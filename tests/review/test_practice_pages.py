"""Requesters teach by practice: questions with answer and reason, added and taken out on a page of their own."""

import pytest
from django.urls import reverse

from core.models import AuditEntry
from marketplace.forms import PayForm
from quality.models import GoldQuestion
from quality.services.quiz import add_quiz_questions
from quality.services.training import training_of

pytestmark = pytest.mark.django_db
TEXT = {"d-text": "A ring.", "k-digit": "zero", "explanation": "Round, and closed."}


@pytest.fixture
def project(make_project, client):
    found = make_project()
    client.force_login(found.requester.memberships.get().user)
    return found


def there(name, project):
    return reverse(name, args=[project.public_id])


def test_a_question_is_added_and_taught_in_order(client, project):
    for text in ("first", "second"):
        response = client.post(there("training_add", project), TEXT | {"d-text": text})
        assert response.url == there("studio_training", project)

    assert [one.data for one in training_of(project)] == [{"text": "first"}, {"text": "second"}]
    page = client.get(there("studio_training", project))
    assert [one.data["text"] for one, _words in page.context["items"]] == ["first", "second"]
    assert "Round, and closed." in page.content.decode()


def test_a_key_that_is_no_label_is_refused_and_what_was_written_stays(client, project):
    response = client.post(there("training_add", project), TEXT | {"k-digit": "seven"})

    assert response.status_code == 400
    assert not GoldQuestion.objects.exists()
    assert "Round, and closed." in response.content.decode()


def test_each_pool_has_its_own_page(client, project):
    add_quiz_questions(project=project, rows=[{"data": {"text": "quizzed"}, "keys": {"digit": "one"}}])
    client.post(there("training_add", project), TEXT)

    told = {name: client.get(there(name, project)).content.decode() for name in ("studio_quiz", "studio_training")}

    assert "quizzed" in told["studio_quiz"] and "A ring." not in told["studio_quiz"]
    assert "A ring." in told["studio_training"] and "quizzed" not in told["studio_training"]
    assert client.get(there("studio_known", project)).context["golds"] == []


def test_a_question_is_taken_out(client, project):
    client.post(there("training_add", project), TEXT)
    (gold,) = training_of(project)

    response = client.post(reverse("known_act", args=[gold.public_id, "release"]))

    assert response.url == there("studio_training", project)
    assert not training_of(project).exists()
    assert AuditEntry.objects.filter(act="training.remove", subject=f"gold:{gold.pk}").count() == 1


def test_items_on_a_page_are_a_rule_of_the_form(project):
    values = PayForm.of(project)
    assert values["page_size"] == 1

    form = PayForm({**values, "page_size": 5, "requirements": "null"})
    assert form.is_valid(), form.errors
    assert form.to_fields(project.rules)["rules"]["page_size"] == 5
    empty = PayForm({**values, "page_size": "", "requirements": "null"})
    assert empty.is_valid()
    assert empty.to_fields(project.rules)["rules"]["page_size"] == 1
