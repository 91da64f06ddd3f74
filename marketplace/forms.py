"""Forms of pages for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from marketplace.models import Project
from marketplace.rules import Rules


class DesignForm(forms.Form):
    """What is asked and how it looks: the part of a project that workers read."""

    name = forms.CharField(label=_("Name"), max_length=160)
    summary = forms.CharField(
        label=_("In one sentence"), max_length=300, required=False, help_text=_("Shown in the list of work.")
    )
    template = forms.CharField(
        label=_("What a worker sees of a row"),
        widget=forms.Textarea(attrs={"rows": 4}),
        required=False,
        help_text=_(
            "Markdown. {{column}} shows the row’s value, {{image column}} a picture, {{audio column}} a sound, "
            "{{video column}} a film."
        ),
    )
    instructions = forms.CharField(
        label=_("Instructions"),
        widget=forms.Textarea(attrs={"rows": 10}),
        required=False,
        help_text=_("Markdown, beside the question. Rules first, then examples, then what looks like one and is not."),
    )
    is_distressing = forms.BooleanField(label=_("May be distressing: shown only to people who agreed"), required=False)

    @classmethod
    def of(cls, project: Project) -> dict[str, Any]:
        return {name: getattr(project, name) for name in cls.base_fields}

    def to_fields(self) -> dict[str, Any]:
        """Fields for `update_project`."""
        return {name: self.cleaned_data[name] for name in self.base_fields}


class ExampleForm(forms.Form):
    """An example of the instructions, or a counter-example."""

    shows = forms.CharField(
        label=_("Example"), widget=forms.Textarea(attrs={"rows": 2}), max_length=5000, required=False
    )
    is_good = forms.TypedChoiceField(
        label=_("It is"),
        choices=[("yes", _("like this")), ("no", _("not like this"))],
        coerce=lambda value: value == "yes",
        required=False,
    )
    why = forms.CharField(label=_("Why"), max_length=500, required=False)

    @classmethod
    def of(cls, example: dict[str, Any]) -> dict[str, Any]:
        return {**example, "is_good": "yes" if example["is_good"] else "no"}


ExampleForms = forms.formset_factory(ExampleForm, extra=2, max_num=30)


class PayForm(forms.Form):
    """Pay, how good a label must be, and who may work. What it means for the rules stands in `to_fields`."""

    reward = forms.CharField(label=_("Pay for one answer"), help_text=_("Frozen for a worker once accepted."))
    estimated_seconds = forms.IntegerField(
        label=_("Time for one answer"),
        min_value=1,
        max_value=86_400,
        required=False,
        help_text=_("Your estimate; measured from the tenth answer on."),
    )
    mode = forms.ChoiceField(
        label=_("Ask how many people?"),
        choices=[
            ("target", _("as many as it takes to be sure")),
            ("budget", _("as many as it takes, within a budget")),
            ("fixed", _("the same number for all")),
            ("sampled", _("one, and three on a random tenth")),
        ],
    )
    target = forms.FloatField(label=_("How sure"), min_value=50, max_value=99.99)
    min_answers = forms.IntegerField(label=_("At least"), min_value=1, max_value=100)
    max_answers = forms.IntegerField(
        label=_("At most"), min_value=1, max_value=1000, help_text=_("Then a person of yours decides.")
    )
    answers = forms.IntegerField(label=_("Fixed number"), min_value=1, max_value=1000)
    budget = forms.CharField(label=_("Budget"), required=False, help_text=_("For one batch, fee included."))
    gold_share = forms.FloatField(
        label=_("Hidden known answers"),
        min_value=0,
        max_value=50,
        required=False,
        help_text=_("Share of a worker’s work that is checked; it falls by itself where there are few."),
    )
    page_size = forms.IntegerField(
        label=_("Items on a page"),
        min_value=1,
        max_value=20,
        required=False,
        help_text=_("For quick items: several are shown, and handed in, together."),
    )
    approve = forms.ChoiceField(
        label=_("Approve"),
        choices=[
            ("259200", _("after 3 days, by itself")),
            ("86400", _("after 1 day, by itself")),
            ("604800", _("after 7 days, by itself")),
            ("0", _("at once")),
        ],
    )
    audience = forms.ChoiceField(label=_("Who answers"), choices=Project.Audience.choices)
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[
            ("", _("any language")),
            ("en", _("English")),
            ("de", _("German")),
            ("es", _("Spanish")),
            ("fr", _("French")),
            ("it", _("Italian")),
            ("pt", _("Portuguese")),
            ("ar", _("Arabic")),
            ("zh", _("Chinese")),
        ],
    )
    countries = forms.CharField(
        label=_("Countries"), max_length=400, required=False, help_text=_("Codes such as DE, AT; empty for all.")
    )
    qualification = forms.ChoiceField(label=_("Qualification"), required=False)
    qualification_least = forms.IntegerField(
        label=_("with at least"), required=False, help_text=_("Empty: whoever holds it.")
    )
    experts = forms.ChoiceField(
        label=_("What stays disputed goes to"),
        required=False,
        help_text=_("Holders of a qualification, once the batch has closed: at most two answers an item."),
    )
    quiz_questions = forms.IntegerField(
        label=_("Entry quiz"),
        min_value=0,
        max_value=50,
        required=False,
        help_text=_("Questions before the first answer; 0 for hidden checks only."),
    )
    quiz_pass = forms.IntegerField(label=_("Right ones to pass"), min_value=0, max_value=50, required=False)
    requirements = forms.JSONField(
        label=_("More requirements, as JSON"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("A list of objects with subject, compare and value."),
    )

    #: Fields of the form that are rules of the project as they stand.
    RULES = ("reward", "estimated_seconds", "mode", "min_answers", "max_answers", "answers", "quiz_questions")
    LISTS = ("language", "country")

    def __init__(self, *args: Any, qualifications: Iterable[Any] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.qualifications = {str(one.public_id): one for one in qualifications}
        named = [(key, one.name) for key, one in self.qualifications.items()]
        self.fields["qualification"].choices = [("", _("none")), *named]  # type: ignore[attr-defined]
        self.fields["experts"].choices = [("", _("you")), *named]  # type: ignore[attr-defined]

    @classmethod
    def of(cls, project: Project) -> dict[str, Any]:
        """The form's values for a project."""
        rules = Rules.from_json(project.rules, audience=project.audience)
        values = {name: getattr(rules, name) for name in cls.RULES} | {
            "audience": project.audience,
            "target": round(rules.target * 100, 2),
            "gold_share": round(rules.gold_share * 100, 2),
            "budget": rules.budget or "",
            "approve": str(rules.auto_approve_seconds),
            "quiz_pass": rules.quiz_pass,
            "page_size": rules.page_size,
            "experts": rules.experts or "",
        }
        rest = []
        for item in rules.requirements:
            subject, compare, value = item.get("subject"), item.get("compare"), item.get("value")
            if subject == "language" and compare == "==" and "language" not in values:
                values["language"] = value
            elif subject == "country" and compare == "in" and "countries" not in values:
                values["countries"] = ", ".join(map(str, value or []))
            elif item.get("name") and compare in (">=", "exists") and "qualification" not in values:
                values |= {"qualification": subject, "qualification_least": value if compare == ">=" else None}
            else:
                rest.append(item)
        return values | {"requirements": rest or None}

    def clean_reward(self) -> str:
        return self.cleaned_data["reward"].strip().replace(",", ".")

    def clean_requirements(self) -> list[Any]:
        rest = self.cleaned_data["requirements"] or []
        if not isinstance(rest, list):
            raise forms.ValidationError(_("This must be a list."))
        return rest

    def to_fields(self, before: dict[str, Any]) -> dict[str, Any]:
        """Fields for `update_project`; `before` are the rules that the form does not know and keeps."""
        data = self.cleaned_data
        rules = dict(before) | {name: data[name] for name in self.RULES}
        rules |= {
            "target": round(data["target"] / 100, 6),
            "gold_share": round((data["gold_share"] or 0) / 100, 6),
            "budget": data["budget"].strip().replace(",", ".") or None,
            "auto_approve_seconds": int(data["approve"]),
            "quiz_questions": data["quiz_questions"] or 0,
            "page_size": data["page_size"] or 1,
            "experts": data["experts"] or None,
            "requirements": [*self._required(), *data["requirements"]],
        }
        if data["quiz_questions"]:
            rules["quiz_pass"] = data["quiz_pass"] or -(-data["quiz_questions"] * 7 // 10)
        return {"audience": data["audience"], "rules": rules}

    def _required(self) -> Iterator[dict[str, Any]]:
        data = self.cleaned_data
        if data["language"]:
            yield {"subject": "language", "compare": "==", "value": data["language"]}
        if codes := [code.strip().upper() for code in data["countries"].replace(";", ",").split(",") if code.strip()]:
            yield {"subject": "country", "compare": "in", "value": codes}
        if data["qualification"]:
            least = data["qualification_least"]
            item = {"subject": data["qualification"], "name": self.qualifications[data["qualification"]].name}
            yield item | ({"compare": "exists"} if least is None else {"compare": ">=", "value": least})


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
    step = forms.FloatField(label=_("In steps of"), required=False)
    unit = forms.CharField(label=_("Unit"), required=False, max_length=40)
    help = forms.CharField(
        label=_("A word of help"), required=False, max_length=2000, help_text=_("Markdown, under the question.")
    )
    when_question = forms.CharField(
        label=_("Ask only if the answer to"),
        required=False,
        max_length=64,
        help_text=_("Column of an earlier question."),
    )
    when_op = forms.ChoiceField(
        label=_("is"),
        required=False,
        choices=[
            ("==", _("this")),
            ("!=", _("anything but this")),
            (">=", _("at least this")),
            ("<=", _("at most this")),
            ("answered", _("given at all")),
        ],
    )
    when_value = forms.CharField(label=_("Answer"), required=False, max_length=200)
    na = forms.BooleanField(label=_("Offer “cannot tell”"), required=False)
    stops = forms.ChoiceField(
        label=_("Decides when to stop asking"),
        required=False,
        choices=[("", _("if it is one choice, or the only question")), ("yes", _("yes")), ("no", _("no"))],
    )
    tie = forms.BooleanField(label=_("Offer “equally good” (of two)"), required=False)
    optional = forms.BooleanField(label=_("May be left out"), required=False)
    more = forms.JSONField(
        label=_("More, as JSON"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("For parts (for), graders (score) and conditions in groups (when)."),
    )

    LABELLED = ("categorical", "multilabel", "ordinal")
    RANGED = ("number", "text", "multilabel")
    OWN = (
        *("title", "name", "kind", "labels", "min", "max", "left", "right", "na", "tie", "required"),
        *("step", "unit", "help", "stops"),
    )

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
            "step": question.get("step"),
            "unit": question.get("unit", ""),
            "help": question.get("help", ""),
            "stops": {True: "yes", False: "no"}.get(question.get("stops"), ""),  # type: ignore[arg-type]
            **cls._condition(question.get("when")),
            "more": {name: value for name, value in question.items() if name not in (*cls.OWN, *cls._plain(question))}
            or None,
        }

    @classmethod
    def _plain(cls, question: dict[str, Any]) -> list[str]:
        """`when`, where the three fields say all of it."""
        return ["when"] if cls._condition(question.get("when")) else []

    @staticmethod
    def _condition(when: Any) -> dict[str, Any]:
        if not isinstance(when, dict) or not set(when) <= {"question", "op", "value"} or "question" not in when:
            return {}
        if when.get("op") not in ("==", "!=", ">=", "<=", "answered") or not isinstance(
            when.get("value", ""), str | int | float
        ):
            return {}
        return {"when_question": when["question"], "when_op": when["op"], "when_value": when.get("value", "")}

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
        if kind == "number":
            question |= {name: data[name] for name in ("step", "unit") if data[name] not in (None, "")}
        if data["help"]:
            question["help"] = data["help"]
        if data["when_question"]:
            question["when"] = {"question": data["when_question"], "op": data["when_op"] or "=="}
            if data["when_op"] != "answered":
                question["when"]["value"] = data["when_value"]
        if data["stops"]:
            question["stops"] = data["stops"] == "yes"
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
