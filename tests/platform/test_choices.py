"""What rows may be is said in the reader's language: labels of choices are looked up when they are read."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import models
from django.utils.functional import Promise
from django.utils.translation import override

from marketplace.models import Membership, Project
from users.models import ApiToken

OURS = ("core", "users", "payments", "workers_app", "marketplace", "quality")
#: Numbers that programs read by name.
FOR_PROGRAMS = {"Hit.State"}


def choices():
    for app in OURS:
        for model in apps.get_app_config(app).get_models():
            for one in vars(model).values():
                if isinstance(one, type) and issubclass(one, models.Choices) and one.__qualname__ not in FOR_PROGRAMS:
                    yield one


@pytest.mark.parametrize(
    "one", sorted(set(choices()), key=lambda one: one.__qualname__), ids=lambda one: one.__qualname__
)
def test_labels_are_looked_up_when_they_are_read(one):
    plain = [member.name for member in one if not isinstance(member._label_, Promise)]

    assert plain == []


def test_the_form_of_who_answers_is_in_the_readers_language(monkeypatch):
    """The catalogues are made from the source now and then; here one entry stands for them."""
    from django.utils.translation import trans_real

    german = trans_real.translation("de")
    monkeypatch.setitem(german._catalog._catalogs[0], "owner", "Inhaber")

    assert str(Membership.Role.OWNER.label) == "owner"
    with override("de"):
        assert str(Membership.Role.OWNER.label) == "Inhaber"


def test_a_token_says_what_it_may():
    assert ApiToken(scopes=["read", "money", "gone"]).may == ["read everything of yours", "spend: publish, bonus"]
    assert ApiToken.SCOPES == ("read", "write", "money", "work", "work:any", "admin")
    assert Project.Audience.values == ["public", "team", "volunteers", "me"]
