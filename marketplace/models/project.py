"""A project says what is asked, for what pay and how good the labels must be; a batch is one upload under its rules."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Project(models.Model):
    class Audience(models.TextChoices):
        PUBLIC = "public", _("public crowd")
        TEAM = "team", _("private team")
        VOLUNTEERS = "volunteers", _("volunteers")
        ME = "me", _("just me")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requester = models.ForeignKey("marketplace.Requester", on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=160)
    summary = models.CharField(max_length=300, blank=True, help_text="One sentence for the list of work.")
    audience = models.CharField(max_length=10, choices=Audience.choices, default=Audience.PUBLIC)
    questions = models.JSONField(default=list, help_text="The typed answer schema, see marketplace.questions.")
    template = models.TextField(blank=True, help_text="Markdown with {{column}} placeholders.")
    instructions = models.TextField(blank=True, help_text="Markdown.")
    examples = models.JSONField(
        default=list, blank=True, help_text="Shown beside the task: {shows: Markdown, is_good, why}."
    )
    instruction_version = models.PositiveIntegerField(default=1)
    rules = models.JSONField(default=dict, help_text="See marketplace.rules.Rules.")
    topics = models.JSONField(default=list, blank=True)
    is_distressing = models.BooleanField(default=False)
    own_pseudonyms = models.BooleanField(default=False)
    quiz = models.OneToOneField(
        "workers_app.Qualification", null=True, blank=True, on_delete=models.SET_NULL, related_name="quiz_of"
    )
    #: A twin in which members try the work: its answers teach nothing about the real one.
    trial_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="trials")
    archived_at = models.DateTimeField(null=True, blank=True)
    is_tour = models.BooleanField(
        default=False, db_default=False, help_text="Of the demonstration: put away, it is hidden everywhere."
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name

    @property
    def pseudonym_scope(self) -> str:
        return f"project:{self.pk}" if self.own_pseudonyms else f"requester:{self.requester_id}"


class Hiding(models.Func):
    """Of a design, the requirements that guard discovery (`marketplace.rules.GUARDS`)."""

    template = (
        """NULLIF(jsonb_path_query_array(%(expressions)s, '$.rules.requirements[*] ? (@.guards == "discover")'),"""
        " '[]'::jsonb)"
    )


class Batch(models.Model):
    """One upload of a project. Publishing freezes a copy of the rules, so later edits never change work in progress."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHING = "publishing", _("publishing")
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    MOVES = {
        State.DRAFT: {State.PUBLISHING},
        State.PUBLISHING: {State.OPEN, State.DRAFT},
        State.OPEN: {State.PAUSED, State.CLOSED},
        State.PAUSED: {State.OPEN, State.CLOSED},
    }

    class Pause(models.TextChoices):
        REQUESTER = "requester", _("the requester paused it")
        BUDGET = "budget", _("its budget is used up")
        BALANCE = "balance", _("the requester's balance is used up")
        FLAGS = "flags", _("reports are being looked at")
        EXPIRED = "expired", _("its time is over")
        NOBODY = "nobody_eligible", _("nobody may work on it")
        STAFF = "staff", _("staff paused it")
        PILOT = "pilot", _("the pilot is being looked at")
        CLOSING = "closing", _("it is being closed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="batches")
    name = models.CharField(max_length=160)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    paused_because = models.CharField(max_length=16, choices=Pause.choices, blank=True)
    is_standing = models.BooleanField(default=False, help_text="Never closes by itself; rows arrive one by one.")
    design = models.JSONField(
        default=dict, help_text="Frozen at publish: questions, template, instructions, instruction_version, rules."
    )
    # What the hot statements need of the rules, beside the frozen copy.
    reward = models.BigIntegerField(default=0, help_text="Micros an approved assignment brings its worker.")
    fee = models.BigIntegerField(default=0, help_text="Micros an approved assignment brings the platform.")
    assignment_seconds = models.PositiveIntegerField(default=600)
    levels = ArrayField(models.SmallIntegerField(), default=list, help_text="Priorities with room, highest first.")
    place_cap = models.PositiveIntegerField(null=True, blank=True, help_text="Places one worker may take in all.")
    day_cap = models.PositiveIntegerField(null=True, blank=True, help_text="Places one worker may take a day.")
    open_cap = models.PositiveSmallIntegerField(default=10, help_text="Places one worker may hold at once.")
    hourly = models.BigIntegerField(
        null=True, blank=True, help_text="Micros an hour as last looked at: the list of work is ordered by it."
    )
    lane_share = models.FloatField(default=0, db_default=0, help_text="Participation.lane_share of a newcomer.")
    day_budget = models.BigIntegerField(null=True, blank=True, help_text="Micros a standing batch may spend a day.")
    spent_on = models.DateField(null=True, blank=True)
    spent_that_day = models.BigIntegerField(default=0, db_default=0, help_text="Micros put aside for rows of that day.")
    #: A repair batch: it asks again about labels of this closed one, and its answers count there.
    repairs = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="repair_batches")
    upload = models.FileField(upload_to="uploads/%Y/%m/", max_length=200, blank=True)
    upload_name = models.CharField(max_length=200, blank=True, help_text="As its owner calls it.")
    upload_format = models.CharField(max_length=5, blank=True)
    upload_columns = models.JSONField(
        default=dict, blank=True, help_text="Column of the file -> what it is called here; empty: left out."
    )
    upload_facts = models.JSONField(default=dict, blank=True, help_text="What the check of the file found.")
    #: Requirements that let nobody know of it who does not meet them; null where it is no secret.
    hidden_by = models.GeneratedField(
        expression=Hiding("design"), output_field=models.JSONField(null=True), db_persist=True
    )
    created_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.CheckConstraint(condition=Q(state="paused") | Q(paused_because=""), name="batch_pause_has_state"),
            models.CheckConstraint(condition=~Q(state="paused") | ~Q(paused_because=""), name="batch_pause_has_reason"),
        ]
        indexes = [
            models.Index(fields=["state"], name="batch_by_state"),
            # The list of work: the best of many by what is wished for, without looking at the others.
            models.Index(
                F("hourly").desc(nulls_last=True), F("id").desc(), name="batch_open_by_pay", condition=Q(state="open")
            ),
            models.Index(F("reward").desc(), F("id").desc(), name="batch_open_by_reward", condition=Q(state="open")),
            models.Index(F("published_at").desc(), F("id").desc(), name="batch_open_newest", condition=Q(state="open")),
            models.Index(fields=["state"], name="batch_hidden", condition=Q(hidden_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def takes_more(self) -> bool:
        """Whether HITs may be added to it or opened again. To be asked under a lock of the batch."""
        is_live = self.state in (self.State.OPEN, self.State.PAUSED)
        return is_live and self.paused_because != self.Pause.CLOSING

    @property
    def price(self) -> int:
        """Micros one approved assignment costs the requester."""
        return self.reward + self.fee
