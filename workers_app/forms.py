"""What workers say about themselves, as a form."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MOST_LANGUAGES = 20


class ProfileForm(forms.Form):
    country = forms.RegexField(
        r"^[A-Za-z]{2}$",
        label=_("Country"),
        required=False,
        max_length=2,
        help_text=_("Two letters, such as DE. Some work is for some countries only."),
    )
    subdivision = forms.RegexField(
        r"^[A-Za-z0-9]{1,3}$",
        label=_("State or region"),
        required=False,
        max_length=3,
        help_text=_("The letters after the country's, such as CA for California."),
    )
    languages = forms.CharField(
        label=_("Languages"),
        required=False,
        max_length=200,
        help_text=_("Codes with commas between them, such as de, en. Some work asks for one."),
    )
    accepts_distressing = forms.BooleanField(
        label=_("Show me work that may be distressing"),
        required=False,
        help_text=_("You can stop at any time, and skip each single one at no cost."),
    )

    accepts_messages = forms.BooleanField(
        label=_("Requesters for whom I work may write to me first"),
        required=False,
        help_text=_("What you write to them they may always answer."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=lambda: [(name, name) for name in sorted(available_timezones())], required=False
    )
    language = forms.ChoiceField(label=_("Language of the site"), choices=settings.LANGUAGES, required=False)

    def clean_time_zone(self) -> str:
        return self.cleaned_data["time_zone"] or self.initial.get("time_zone", "UTC")

    def clean_language(self) -> str:
        return self.cleaned_data["language"] or self.initial.get("language", "en")

    def clean_country(self) -> str:
        return self.cleaned_data["country"].upper()

    def clean_subdivision(self) -> str:
        return self.cleaned_data["subdivision"].upper()

    def clean_languages(self) -> list[str]:
        codes = [code.strip() for code in self.cleaned_data["languages"].split(",") if code.strip()]
        wrong = next((code for code in codes if not LANGUAGE.fullmatch(code)), None)
        if wrong:
            raise forms.ValidationError(_("“%s” is no language code. Write codes such as de or pt-BR.") % wrong)
        if len(codes) > MOST_LANGUAGES:
            raise forms.ValidationError(_("At most %d languages.") % MOST_LANGUAGES)
        return list(dict.fromkeys(codes))
