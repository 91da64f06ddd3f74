"""Forms of pages for people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from marketplace.models import Project
from marketplace.rules import Rules


class ProjectForm(forms.Form):
    """A project as its owner describes it. What it means for the rules stands in `to_fields`."""

    name = forms.CharField(label=_("Name"), max_length=160)
    summary = forms.CharField(
        label=_("In one sentence"), max_length=300, required=False, help_text=_("Shown in the list of work.")
    )
    audience = forms.ChoiceField(label=_("Who answers"), choices=Project.Audience.choices, initial="public")
    template = forms.CharField(
        label=_("What a worker sees of a row"),
        widget=forms.Textarea(attrs={"rows": 4}),
        required=False,
        help_text=_(
            "Markdown. {{column}} shows the row’s value, {{image column}} a picture, {{audio column}} a sound."
        ),
    )
    instructions = forms.CharField(
        label=_("Instructions"),
        widget=forms.Textarea(attrs={"rows": 6}),
        required=False,
        help_text=_("Markdown, beside the question."),
    )
    reward = forms.CharField(label=_("Pay for one answer"), initial="0.10", help_text=_("Frozen once accepted."))
    estimated_seconds = forms.IntegerField(
        label=_("Time for one answer"),
        min_value=1,
        initial=30,
        required=False,
        help_text=_("Your estimate; measured from the tenth answer on."),
    )
    mode = forms.ChoiceField(
        label=_("Ask how many people?"),
        choices=[("target", _("as many as it takes to be sure")), ("fixed", _("the same number for all"))],
        initial="target",
    )
    target = forms.FloatField(label=_("How sure"), min_value=50, max_value=99.99, initial=95)
    min_answers = forms.IntegerField(label=_("At least"), min_value=1, max_value=100, initial=2)
    max_answers = forms.IntegerField(
        label=_("At most"), min_value=1, max_value=1000, initial=7, help_text=_("Then a person of yours decides.")
    )
    answers = forms.IntegerField(label=_("Fixed number"), min_value=1, max_value=1000, initial=3)
    approve = forms.ChoiceField(
        label=_("Approve"), choices=[("259200", _("after 3 days, by itself")), ("0", _("at once"))], initial="259200"
    )
    quiz_questions = forms.IntegerField(
        label=_("Entry quiz"),
        min_value=0,
        max_value=50,
        initial=0,
        required=False,
        help_text=_("Questions of a quiz before the first answer; 0 for hidden checks only."),
    )
    is_distressing = forms.BooleanField(label=_("May be distressing: shown only to people who agreed"), required=False)

    #: Fields of the form that are rules of the project.
    RULES = ("reward", "estimated_seconds", "mode", "min_answers", "max_answers", "answers")

    @classmethod
    def of(cls, project: Project) -> dict[str, Any]:
        """The form's values for a project that exists."""
        rules = Rules.from_json(project.rules, audience=project.audience)
        own = {name: getattr(project, name) for name in cls.base_fields if hasattr(project, name)}
        return (
            own
            | {name: getattr(rules, name) for name in cls.RULES}
            | {
                "target": round(rules.target * 100, 2),
                "approve": str(rules.auto_approve_seconds),
                "quiz_questions": rules.quiz_questions,
            }
        )

    def to_fields(self, before: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fields for `create_project`; `before` are the rules that the form does not know and keeps."""
        data = self.cleaned_data
        rules = dict(before or {}) | {name: data[name] for name in self.RULES}
        rules |= {
            "target": data["target"] / 100,
            "auto_approve_seconds": int(data["approve"]),
            "quiz_questions": data["quiz_questions"] or 0,
        }
        own = ("name", "summary", "audience", "template", "instructions", "is_distressing")
        return {name: data[name] for name in own} | {"rules": rules}


class QuestionForm(forms.Form):
    """One question. What the form has no field for (conditions, parts, graders) is kept from `more`, as JSON."""

    title = forms.CharField(label=_("Question"), max_length=200, help_text=_("As the worker reads it."))
    name = forms.SlugField(
        label=_("Column of the result"), max_length=64, help_text=_("Letters, digits and _; starts with a letter.")
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            ("categorical", _("one choice")),
            ("multilabel", _("several choices")),
            ("ordinal", _("a scale, lowest first")),
            ("number", _("a number")),
            ("text", _("writing")),
            ("pairwise", _("which of two is better")),
        ],
    )
    labels = forms.CharField(
        label=_("Choices"),
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        help_text=_("One a line. For one choice, several choices and scales."),
    )
    low = forms.FloatField(label=_("Least"), required=False, help_text=_("Number; choices or characters at least."))
    high = forms.FloatField(label=_("Most"), required=False)
    left = forms.CharField(label=_("Left column"), required=False, max_length=100)
    right = forms.CharField(label=_("Right column"), required=False, max_length=100)
    na = forms.BooleanField(label=_("Offer “cannot tell”"), required=False)
    tie = forms.BooleanField(label=_("Offer “equally good” (of two)"), required=False)
    optional = forms.BooleanField(label=_("May be left out"), required=False)
    more = forms.JSONField(label=_("More, as JSON"), required=False, widget=forms.HiddenInput)

    LABELLED = ("categorical", "multilabel", "ordinal")
    RANGED = ("number", "text", "multilabel")
    OWN = ("title", "name", "kind", "labels", "min", "max", "left", "right", "na", "tie", "required")

    @classmethod
    def of(cls, question: dict[str, Any]) -> dict[str, Any]:
        return {
            "title": question.get("title") or question["name"],
            "name": question["name"],
            "kind": question["kind"],
            "labels": "\n".join(question.get("labels", [])),
            "low": question.get("min"),
            "high": question.get("max"),
            "left": question.get("left", ""),
            "right": question.get("right", ""),
            "na": question.get("na", False),
            "tie": question.get("tie", False),
            "optional": not question.get("required", True),
            "more": {name: value for name, value in question.items() if name not in cls.OWN},
        }

    def clean_more(self) -> dict[str, Any]:
        more = self.cleaned_data["more"]
        if more and not isinstance(more, dict):
            raise forms.ValidationError(_("This must be an object."))
        return more or {}

    def to_json(self) -> dict[str, Any]:
        data = self.cleaned_data
        kind = data["kind"]
        question: dict[str, Any] = {**data["more"], "name": data["name"], "kind": kind, "title": data["title"]}
        if kind in self.LABELLED:
            question["labels"] = [line.strip() for line in data["labels"].splitlines() if line.strip()]
        if kind in self.RANGED:
            question |= {
                name: data[field] for name, field in (("min", "low"), ("max", "high")) if data[field] is not None
            }
        if kind == "pairwise":
            question |= {side: data[side] for side in ("left", "right") if data[side]} | {"tie": data["tie"]}
        return question | {"na": data["na"], "required": not data["optional"]}


QuestionForms = forms.formset_factory(QuestionForm, extra=0, min_num=1, validate_min=True, max_num=50, can_delete=True)


class BatchForm(forms.Form):
    """A table of rows for a project."""

    name = forms.CharField(label=_("Name of the batch"), max_length=160, required=False)
    file = forms.FileField(
        label=_("Table"),
        help_text=_(
            "CSV, TSV or JSON lines in UTF-8, up to a million rows. Columns named external_id, priority, group, gold "
            "(the known answer) and explanation are about the row and are not shown to workers."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.jsonl"}),
    )
