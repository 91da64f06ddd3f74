"""Signing up on the site: allauth's form, and which of the two doors one came through."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.core import context
from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from lifecycle.enrol import enrol
from users.models import User
from users.services import find_invitation


class SignupForm(AllauthSignupForm):
    role = forms.ChoiceField(
        label=_("What brings you here?"),
        choices=[("worker", _("I want to work")), ("requester", _("I want to post work"))],
        widget=forms.RadioSelect,
        initial="worker",
    )
    invitation = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    field_order = ["role", "email", "password1", "password2"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (request := context.request) is not None:
            self.fields["invitation"].initial = request.GET.get("invitation", "")
            if request.GET.get("role") in ("worker", "requester"):
                self.fields["role"].initial = request.GET["role"]

    def clean(self) -> dict[str, Any]:
        super().clean()
        code = self.cleaned_data.get("invitation")
        self.found = find_invitation(code or "", email=self.cleaned_data.get("email", ""))
        if code and self.found is None:
            self.add_error(None, _("This invitation was used already, is over, or is for another address."))
        return self.cleaned_data

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        user = super().save(request)
        enrol(user=user, role=self.cleaned_data["role"], invitation=self.found)
        return user
