"""What we know about answers: known keys and scores, the judgment log, beliefs about HITs, reliability of workers."""

from __future__ import annotations

import uuid

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class GoldQuestion(models.Model):
    """A HIT whose answer we know, or (pool `quiz`, `training`) a question outside work. QUALITY.md section 4."""

    class Pool(models.TextChoices):
        TEST = "test", _("hidden in work")
        QUIZ = "quiz", _("quiz")
        AUDIT = "audit", _("random audit sample")
        TRAINING = "training", _("training")

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended: the key is in doubt")
        RETIRED = "retired", _("retired: shown as often as it may be")

    MOVES = {
        State.ACTIVE: {State.SUSPENDED, State.RETIRED},
        State.SUSPENDED: {State.ACTIVE, State.RETIRED},
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="gold_questions")
    hit = models.OneToOneField("marketplace.Hit", null=True, blank=True, on_delete=models.PROTECT, related_name="gold")
    pool = models.CharField(max_length=8, choices=Pool.choices, default=Pool.TEST)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    data = models.JSONField(null=True, blank=True, help_text="The item, for pools that are not in work.")
    keys = models.JSONField(help_text="Question name -> list of accepted answers.")
    key_version = models.PositiveIntegerField(default=1)
    explanation = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    is_soft = models.BooleanField(default=False, help_text="Promoted without a person: never fails anyone.")
    weight = models.FloatField(default=1, help_text="Probability that the key of a soft one is right.")
    limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Openings after which it retired; empty while it is in work."
    )
    #: Where a review came upon the item because of the answers that it had: those say nothing of who gave them.
    chosen = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="As `Overruling.chosen`; empty: no review did."
    )
    inclusion = models.FloatField(null=True, blank=True, help_text="With what probability the review came upon it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "pool", "state"], name="gold_by_project")]
        constraints = [
            models.CheckConstraint(
                condition=Q(hit__isnull=False) | Q(data__isnull=False), name="gold_question_has_an_item"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.public_id}"


class GoldScore(models.Model):
    """How one worker did on one gold question. Never shown while it could tell gold apart."""

    gold = models.ForeignKey(GoldQuestion, on_delete=models.PROTECT, related_name="scores", db_index=False)
    assignment = models.ForeignKey("marketplace.Assignment", on_delete=models.PROTECT, related_name="gold_scores")
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.PROTECT, related_name="gold_scores")
    question = models.CharField(max_length=60)
    answer = models.ForeignKey("marketplace.Answer", on_delete=models.PROTECT, related_name="+")
    score = models.FloatField()
    passed = models.BooleanField()
    counts = models.BooleanField(default=True, help_text="False when the key turned out wrong.")
    created_at = models.DateTimeField(default=timezone.now)
    #: Rows are the queue: what the worker's reliability has not taken in yet, or has to take in anew.
    counted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assignment", "question"], name="gold_score_once")]
        indexes = [
            models.Index(fields=["worker", "id"], name="gold_score_by_worker"),
            models.Index(fields=["gold"], name="gold_score_by_gold"),
            models.Index(fields=["id"], name="gold_score_due", condition=Q(counted_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.score:.2f}"


class Contest(models.Model):
    """A worker disputes an answer key; upheld, the scores it cost are restored."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        UPHELD = "upheld", _("upheld")
        DISMISSED = "dismissed", _("dismissed")

    MOVES = {State.OPEN: {State.UPHELD, State.DISMISSED}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    assignment = models.ForeignKey("marketplace.Assignment", on_delete=models.PROTECT, related_name="contests")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    ruling = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ruled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assignment"], name="contest_once")]

    def __str__(self) -> str:
        return f"contest of {self.assignment}"


class QuizAttempt(models.Model):
    """One quiz of a worker for a project."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        PASSED = "passed", _("passed")
        AGAIN = "again", _("one more quiz")
        FAILED = "failed", _("failed")

    MOVES = {State.OPEN: {State.PASSED, State.AGAIN, State.FAILED}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="quiz_attempts")
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.PROTECT, related_name="quiz_attempts")
    number = models.PositiveSmallIntegerField(default=1)
    items = models.JSONField(help_text="Ids of the questions shown, in order.")
    answers = models.JSONField(default=dict)
    right = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "worker", "number"], name="quiz_attempt_once")]

    def __str__(self) -> str:
        return f"quiz {self.number} of {self.worker}"


class Judgment(models.Model):
    """One worker's word on one question of one HIT, as the estimators read it. Append-only: a revision or a changed
    weight is a new row, and the newest of (hit, question, part, worker) counts."""

    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey(
        "marketplace.Batch", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    hit = models.ForeignKey(
        "marketplace.Hit", on_delete=models.PROTECT, related_name="judgments", db_index=False, db_constraint=False
    )
    worker = models.ForeignKey(
        "workers_app.Worker", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    assignment = models.ForeignKey(
        "marketplace.Assignment", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="", db_default="")
    version = models.PositiveSmallIntegerField()
    label = models.SmallIntegerField(null=True, blank=True, help_text="Class index.")
    number = models.FloatField(null=True, blank=True)
    text = models.TextField(null=True, blank=True)  # noqa: DJ001  NULL: the kind has no text
    weight = models.FloatField(default=1)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["hit", "id"], name="judgment_by_hit"),
            models.Index(fields=["project", "question", "id"], name="judgment_by_project"),
            models.Index(fields=["worker", "project", "id"], name="judgment_by_worker"),
        ]
        triggers = [pgtrigger.Protect(name="judgment_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.question} of HIT {self.hit_id}"


class Belief(models.Model):
    """What we think now of one question (and part) of one HIT."""

    class State(models.TextChoices):
        COLLECTING = "collecting", _("collecting")
        SETTLED = "settled", _("settled")
        DISPUTED = "disputed", _("disputed")
        OVERRULED = "overruled", _("overruled by a person")

    MOVES = {
        State.COLLECTING: {State.SETTLED, State.DISPUTED, State.OVERRULED, State.COLLECTING},
        State.SETTLED: {State.COLLECTING, State.DISPUTED, State.OVERRULED, State.SETTLED},
        State.DISPUTED: {State.COLLECTING, State.SETTLED, State.OVERRULED, State.DISPUTED},
        # Only by the person's own act: what the machine said holds again.
        State.OVERRULED: {State.OVERRULED, State.COLLECTING, State.SETTLED, State.DISPUTED},
    }

    hit = models.ForeignKey("marketplace.Hit", on_delete=models.PROTECT, related_name="beliefs", db_index=False)
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.COLLECTING)
    posterior = ArrayField(models.FloatField(), default=list, help_text="P(class | answers) at b = 1.")
    label = models.SmallIntegerField(null=True, blank=True, help_text="Class index.")
    value = models.JSONField(null=True, blank=True, help_text="The consensus of kinds without classes.")
    interval = ArrayField(
        models.FloatField(), default=list, blank=True, help_text="95 % interval of a number, from the refit."
    )
    #: Of kinds without classes the expected score; 0 where there is none.
    confidence = models.FloatField(default=0, help_text="Calibrated P[label].")
    answers = models.PositiveSmallIntegerField(default=0)
    seen = models.BigIntegerField(default=0, help_text="Newest judgment in the posterior and in the workers' counts.")
    is_calibrated = models.BooleanField(default=False)
    run = models.ForeignKey(
        "quality.AggregationRun", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    overruled_by = models.BigIntegerField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["hit"], name="belief_disputed", condition=Q(state="disputed"))]
        constraints = [models.UniqueConstraint(fields=["hit", "question", "part"], name="belief_once")]

    def __str__(self) -> str:
        return f"{self.question} of HIT {self.hit_id}: {self.label} ({self.confidence:.2f})"

    @property
    def sureness(self) -> float | None:
        """Its confidence; None of a value that has no expected score, as one answer alone has none."""
        return None if self.label is None and not self.confidence else self.confidence


class CrowdModel(models.Model):
    """What a project's crowd is like on one question: written by refits, read by live updates."""

    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="crowd_models")
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="", help_text="The label, for multilabel questions.")
    classes = models.JSONField(default=list)
    prior = ArrayField(models.FloatField(), default=list)
    pooled = ArrayField(models.FloatField(), default=list, help_text="K x K, row major.")
    exponent = models.FloatField(default=0.5, help_text="b of QUALITY.md 2.2")
    is_calibrated = models.BooleanField(default=False)
    sureness = models.JSONField(default=dict, blank=True, help_text="How sure live labels are, as gold taught it.")
    run = models.ForeignKey(
        "quality.AggregationRun", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "question", "part"], name="crowd_model_once")]

    def __str__(self) -> str:
        return f"crowd of {self.project} on {self.question}"


class WorkerReliability(models.Model):
    """How one worker answers one question of a project: soft confusion counts, gate and monitor."""

    class State(models.TextChoices):
        QUIZ = "quiz", _("still in entry checks")
        TRUSTED = "trusted", _("trusted")
        WATCHED = "watched", _("watched")
        PAUSED = "paused", _("paused until a person has looked")

    MOVES = {
        State.QUIZ: {State.TRUSTED, State.WATCHED, State.PAUSED},
        State.TRUSTED: {State.WATCHED, State.PAUSED},
        State.WATCHED: {State.TRUSTED, State.PAUSED},
        State.PAUSED: {State.TRUSTED, State.WATCHED, State.QUIZ},
    }

    worker = models.ForeignKey("workers_app.Worker", on_delete=models.PROTECT, related_name="reliabilities")
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="reliabilities")
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="", help_text="The label, for multilabel questions.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUIZ)
    counts = ArrayField(models.FloatField(), default=list, help_text="K x K soft counts [truth, said], row major.")
    answered = models.PositiveIntegerField(default=0)
    right = models.FloatField(default=0, help_text="Gold questions passed (soft gold counts in part).")
    wrong = models.FloatField(default=0)
    gate = models.FloatField(default=0, help_text="S of the sequential test")
    monitor = models.FloatField(default=0, help_text="U of the monitor")
    alarms = ArrayField(models.IntegerField(), default=list, help_text="Gold count at each passing of the alarm line.")
    watched_since = models.IntegerField(null=True, blank=True, help_text="Gold count when watching began.")
    lower = models.FloatField(default=0)
    upper = models.FloatField(default=1)
    checked = models.IntegerField(default=0, db_default=0, help_text="Answers that gate and monitor have looked at.")
    #: Gate, looks and monitor begin anew after this gold score: a person has looked and reinstated the worker.
    since = models.BigIntegerField(default=0, db_default=0)
    state_reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.BigIntegerField(null=True, blank=True, help_text="User; empty: by a rule.")
    ignored_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when a person lets this worker's answers count for no label."
    )
    look_again_at = models.DateTimeField(null=True, blank=True)
    #: Written by refits: who answers from one key has the same number, and shares one vote.
    cluster = models.PositiveSmallIntegerField(null=True, blank=True)
    signs = models.JSONField(default=dict, db_default={}, blank=True, help_text="Of spam and copying, with intervals.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "worker reliabilities"
        # None of these columns changes with an answer: the counts, which do with each, are updated in place.
        indexes = [
            models.Index(fields=["paused_at"], name="reliability_paused", condition=Q(state="paused")),
            models.Index(fields=["project"], name="reliability_cluster", condition=Q(cluster__isnull=False)),
            models.Index(fields=["worker"], name="reliability_look", condition=Q(state__in=["paused", "watched"])),
            models.Index(
                fields=["project", "question"],
                include=["right", "wrong"],
                name="reliability_pool",
                condition=Q(part="", checked__gt=0),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["project", "worker", "question", "part"], name="reliability_once")
        ]

    def __str__(self) -> str:
        return f"{self.worker} on {self.question}"


class CanarySet(models.Model):
    """Gold that only the members of a suspect cluster are given; what came of it (`quality.estimators.canaries`)."""

    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="+", db_index=False)
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.PROTECT, related_name="+", db_index=False)
    question = models.CharField(max_length=60)
    lane = models.SmallIntegerField(help_text="Of its HITs, while they are given to members alone.")
    members = ArrayField(models.BigIntegerField(), help_text="Workers.")
    hits = ArrayField(models.BigIntegerField(), help_text="HITs that were set aside.")
    looked_at = models.BigIntegerField(default=0, help_text="Newest judgment that `found` knows of.")
    found = models.JSONField(default=dict, blank=True, help_text="Items, chances, repeated, expected, p.")
    begun_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "lane"], name="canary_lane_once")]
        indexes = [
            models.Index(fields=["project", "question"], name="canaries_by_project"),
            models.Index(fields=["id"], name="canaries_open", condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{len(self.hits)} canaries in {self.batch}"


class AggregationRun(models.Model):
    """One fit, with all that is needed to compute it again to the same bytes."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="runs")
    question = models.CharField(max_length=60)
    method = models.CharField(max_length=60)
    version = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    seed = models.BigIntegerField(default=0)
    last_judgment = models.BigIntegerField(default=0)
    gold_key_version = models.BigIntegerField(default=0)
    data_hash = models.CharField(max_length=64)
    result_hash = models.CharField(max_length=64, blank=True)
    guard = models.CharField(max_length=20, default="ok", help_text="ok, or the guard that acted.")
    answers = models.BigIntegerField(default=0)
    items = models.BigIntegerField(default=0)
    workers = models.IntegerField(default=0)
    report = models.JSONField(default=dict, blank=True, help_text="Agreement, calibration, iterations.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index("project", "question", F("id").desc(), name="run_by_project")]

    def __str__(self) -> str:
        return f"{self.method} of {self.project} on {self.question}"


class Flag(models.Model):
    """Something a person should look at. Expires after 90 days; a machine never bans, rejects or cuts pay."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")

    class Verdict(models.TextChoices):
        CONFIRMED = "confirmed", _("confirmed")
        DISMISSED = "dismissed", _("dismissed")

    MOVES = {State.OPEN: {State.CLOSED}}
    #: What a kind is called on pages; one without words here goes by its name.
    WORDS = {
        "distress": _("Flagged as distressing"),
        "gold_in_doubt": _("Known answer in doubt"),
        "gold_suspect": _("Known answers that most get wrong"),
        "late": _("Answer came late"),
        "leak_risk": _("Too few known answers"),
        "pair": _("Two who answer alike"),
        "paused": _("Worker paused"),
        "report": _("Problem reported"),
        "returns": _("Many give it back"),
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    project = models.ForeignKey(
        "marketplace.Project", null=True, blank=True, on_delete=models.CASCADE, related_name="flags"
    )
    batch = models.ForeignKey(
        "marketplace.Batch", null=True, blank=True, on_delete=models.CASCADE, related_name="flags"
    )
    hit = models.ForeignKey("marketplace.Hit", null=True, blank=True, on_delete=models.CASCADE, related_name="flags")
    worker = models.ForeignKey(
        "workers_app.Worker", null=True, blank=True, on_delete=models.CASCADE, related_name="flags"
    )
    evidence = models.JSONField(default=dict)
    message = models.CharField(max_length=500, help_text="Why, what next: both sides read the same text.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    key = models.CharField(max_length=160, unique=True, help_text="So that the same thing is flagged once.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_reason = models.CharField(max_length=300, blank=True)
    #: What a person found; empty while it is open, and where it ended by itself.
    verdict = models.CharField(max_length=10, choices=Verdict.choices, blank=True, default="", db_default="")
    closed_by = models.BigIntegerField(null=True, blank=True, help_text="User; empty: by itself.")

    class Meta:
        indexes = [models.Index(fields=["expires_at", "id"], name="flag_open", condition=Q(state="open"))]

    @property
    def title(self) -> str:
        return str(self.WORDS.get(self.kind, self.kind))

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Overruling(models.Model):
    """A person puts a label in the place of the machine's, or (`is_lifted`) takes that back. The newest row holds, and
    no refit changes it. `inclusion` is the probability with which the item came before this person: labels that were
    looked at because they were doubtful say nothing of the others, unless weighed by its inverse."""

    class Chosen(models.TextChoices):
        DISPUTED = "disputed", _("most disputed first")
        DRAWN = "drawn", _("drawn at random, the doubtful more often")
        FREE = "free", _("looked up by a person")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    hit = models.ForeignKey("marketplace.Hit", on_delete=models.PROTECT, related_name="overrulings", db_index=False)
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="", blank=True)
    label = models.SmallIntegerField(null=True, blank=True, help_text="Class index.")
    value = models.JSONField(null=True, blank=True, help_text="Of kinds without classes.")
    before = models.JSONField(help_text="What the machine said: label, value, confidence, state.")
    is_lifted = models.BooleanField(default=False)
    reason = models.CharField(max_length=1000, blank=True)
    by = models.BigIntegerField(help_text="User.")
    chosen = models.CharField(max_length=10, choices=Chosen.choices, default=Chosen.FREE)
    inclusion = models.FloatField(null=True, blank=True, help_text="Empty where no rule chose the item.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["hit", "question", "part", "id"], name="overruling_by_hit")]
        triggers = [pgtrigger.Protect(name="overruling_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.question} of HIT {self.hit_id} {'given back' if self.is_lifted else 'overruled'}"


class Sample(models.Model):
    """Items of a batch drawn at random, with the seed that draws them again: to audit the labels, or to review them."""

    class Purpose(models.TextChoices):
        AUDIT = "audit", _("random audit, every label as likely as any other")
        REVIEW = "review", _("review, doubtful labels more often")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.PROTECT, related_name="samples")
    question = models.CharField(max_length=60)
    purpose = models.CharField(max_length=8, choices=Purpose.choices)
    seed = models.BigIntegerField()
    population = models.IntegerField(help_text="Delivered labels at the draw.")
    size = models.IntegerField()
    frame_hash = models.CharField(max_length=64, help_text="SHA-256 of what could be drawn.")
    workers_batch = models.OneToOneField(
        "marketplace.Batch", null=True, blank=True, on_delete=models.PROTECT, related_name="audits",
        help_text="Where trusted workers answer it.",
    )  # fmt: skip
    drawn_by = models.BigIntegerField(help_text="User.")
    drawn_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.size} in {self.population}"


class SampleItem(models.Model):
    """One drawn label as it stood at the draw, and what somebody who had not seen it says."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sample = models.ForeignKey(Sample, on_delete=models.PROTECT, related_name="items", db_index=False)
    place = models.IntegerField(help_text="In the order of the draw.")
    hit = models.ForeignKey("marketplace.Hit", on_delete=models.PROTECT, related_name="+")
    part = models.CharField(max_length=80, default="", blank=True)
    inclusion = models.FloatField(help_text="Probability of being drawn.")
    label = models.SmallIntegerField(null=True, blank=True)
    value = models.JSONField(null=True, blank=True)
    confidence = models.FloatField(default=0)
    answer = models.JSONField(null=True, blank=True, help_text="The value found; empty: no answer fits.")
    answered_by = models.BigIntegerField(null=True, blank=True, help_text="User; empty: trusted workers.")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sample", "place"], name="sample_item_place"),
            models.UniqueConstraint(fields=["sample", "hit", "part"], name="sample_item_once"),
        ]

    def __str__(self) -> str:
        return f"{self.sample} no. {self.place}"


class Certificate(models.Model):
    """A signed claim about the labels of a batch. Its words never change; a newer truth supersedes it."""

    class State(models.TextChoices):
        VALID = "valid", _("valid")
        SUPERSEDED = "superseded", _("superseded")

    MOVES = {State.VALID: {State.SUPERSEDED}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.PROTECT, related_name="certificates")
    question = models.CharField(max_length=60)
    sample = models.ForeignKey(Sample, on_delete=models.PROTECT, related_name="certificates")
    run = models.ForeignKey(AggregationRun, on_delete=models.PROTECT, related_name="certificates")
    state = models.CharField(max_length=10, choices=State.choices, default=State.VALID)
    claim = models.JSONField(help_text="What is signed: the claim, and the hash of each section.")
    sections = models.JSONField(help_text="Name -> what stands behind the claim.")
    signature = models.CharField(max_length=100, help_text="Ed25519, base64.")
    key_id = models.CharField(max_length=32)
    is_public = models.BooleanField(default=False)
    shows = models.JSONField(default=list, blank=True, help_text="Sections that the public page shows.")
    issued_by = models.BigIntegerField(help_text="User.")
    issued_at = models.DateTimeField(default=timezone.now)
    #: Rows are the queue: empty while somebody should look whether the labels still are what it says.
    checked_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    superseded_at = models.DateTimeField(null=True, blank=True)
    superseded_because = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["batch", "question", "id"], name="certificate_by_batch"),
            models.Index(fields=["id"], name="certificate_due", condition=Q(state="valid", checked_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"certificate {self.number}"

    @property
    def number(self) -> str:
        """What people call it."""
        return f"{self.issued_at:%Y}-{str(self.public_id)[:8].upper()}"


class Healing(models.Model):
    """Answers lost their weight, or a key was corrected: what that changes about the labels of one batch.

    It is begun with the decision, and done when a fit that knows of it has been written.
    """

    class Cause(models.TextChoices):
        IGNORED = "ignored", _("a worker's answers lost their weight")
        COUNTED = "counted", _("a worker's answers count again")
        KEY = "key", _("a known answer was corrected")
        EXPERTS = "experts", _("what stayed disputed went to experts")
        MACHINE = "machine", _("a machine may not answer alone any more")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.PROTECT, related_name="healings")
    cause = models.CharField(max_length=8, choices=Cause.choices)
    worker = models.ForeignKey("workers_app.Worker", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    work = models.ForeignKey(
        "core.Operation", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Takes the weight; empty where that was done at once.",
    )  # fmt: skip
    fit = models.ForeignKey(
        "core.Operation", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="The refit that knows of it.",
    )  # fmt: skip
    leaned = models.IntegerField(default=0, help_text="Labels that leaned on it.")
    changed = models.IntegerField(default=0)
    asked = models.IntegerField(default=0, help_text="HITs that opened again.")
    cost = models.BigIntegerField(default=0, help_text="Micros that these answers cost.")
    repair = models.ForeignKey(
        "marketplace.Batch", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="The batch that asks again what was below its target after close.",
    )  # fmt: skip
    begun_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["work", "batch"], name="healing_once", condition=Q(work__isnull=False))
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="healing_by_batch"),
            models.Index(fields=["id"], name="healing_due", condition=Q(done_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"healing of {self.batch}: {self.changed} changed, {self.asked} asked again"


class HealedLabel(models.Model):
    """A label as it stood when what it leaned on changed. Those to which nothing happens are forgotten in the end."""

    healing = models.ForeignKey(Healing, on_delete=models.CASCADE, related_name="labels", db_index=False)
    hit = models.ForeignKey("marketplace.Hit", on_delete=models.PROTECT, related_name="+", db_index=False)
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="", blank=True)
    label = models.SmallIntegerField(null=True, blank=True, help_text="Class index before.")
    value = models.JSONField(null=True, blank=True, help_text="Of kinds without classes.")
    confidence = models.FloatField(default=0)
    state = models.CharField(max_length=10)
    taken = models.SmallIntegerField(null=True, help_text="Answers that its HIT had ended with; empty: it was open.")
    is_changed = models.BooleanField(default=False)
    is_asked = models.BooleanField(default=False)
    is_short = models.BooleanField(default=False, help_text="Below its target now, and not asked again.")
    repair_hit = models.OneToOneField(
        "marketplace.Hit", null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        help_text="Asks again about it, in a repair batch; once for all labels of a HIT.",
    )  # fmt: skip

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["healing", "hit", "question", "part"], name="healed_label_once"),
        ]

    def __str__(self) -> str:
        return f"{self.question} of HIT {self.hit_id} before"


class Machine(models.Model):
    """A family of models whose predictions enter a project as one noisy worker (QUALITY.md section 10)."""

    class Source(models.TextChoices):
        TABLE = "table", _("a table of predictions")
        LABEL_STUDIO = "label_studio", _("a Label Studio ML backend")
        HTTP = "http", _("an HTTP endpoint")
        LOCAL = "local", _("trained here on the labels")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="machines")
    name = models.CharField(max_length=80)
    source = models.CharField(max_length=12, choices=Source.choices, default=Source.TABLE)
    url = models.CharField(max_length=500, blank=True)
    token = models.CharField(max_length=300, blank=True, help_text="Sent as a bearer token; never shown again.")
    is_on = models.BooleanField(default=True, help_text="Whether its predictions count for labels.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="machine_once")]

    def __str__(self) -> str:
        return self.name


class MachineVersion(models.Model):
    """One version of a machine. The newest counts, and begins without any trust: it is a worker of its own."""

    machine = models.ForeignKey(Machine, on_delete=models.PROTECT, related_name="versions")
    name = models.CharField(max_length=120, default="1")
    taken_in = models.BigIntegerField(default=0, help_text="Newest prediction that was taken in.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["machine", "name"], name="machine_version_once")]

    def __str__(self) -> str:
        return f"{self.machine} {self.name}"


class Prediction(models.Model):
    """What a machine says of one question (and part) of one HIT. Append-only; the newest of a version counts."""

    version = models.ForeignKey(MachineVersion, on_delete=models.PROTECT, related_name="predictions")
    hit = models.ForeignKey("marketplace.Hit", on_delete=models.PROTECT, related_name="+", db_index=False)
    question = models.CharField(max_length=60)
    part = models.CharField(max_length=80, default="", db_default="")
    label = models.SmallIntegerField(null=True, blank=True, help_text="Class index in the schema of the batch.")
    value = models.JSONField(null=True, blank=True, help_text="Of kinds without classes.")
    score = models.FloatField(null=True, blank=True, help_text="How sure it says it is, 0 to 1.")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["hit", "id"], name="prediction_by_hit")]
        triggers = [pgtrigger.Protect(name="prediction_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.question} of HIT {self.hit_id}"


class MachineTrust(models.Model):
    """What checks found of one version on one question: the figures that its weight comes from."""

    version = models.ForeignKey(MachineVersion, on_delete=models.CASCADE, related_name="trusts")
    question = models.CharField(max_length=60)
    found = models.JSONField(help_text="See quality.estimators.machine.Trust.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "question"], name="machine_trust_once")]

    def __str__(self) -> str:
        return f"{self.version} on {self.question}"


class MachineUse(models.Model):
    """What a batch does with a machine besides counting its word: answer items alone, show suggestions."""

    batch = models.OneToOneField(
        "marketplace.Batch", primary_key=True, on_delete=models.CASCADE, related_name="machine_use"
    )
    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="uses")
    accepts = models.BooleanField(default=False, help_text="Items past the checked bound are not asked of people.")
    show_share = models.FloatField(default=0, help_text="Share of workers who see its word before they answer.")
    stopped_because = models.CharField(max_length=300, blank=True, help_text="Why accepting ended by itself.")
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.machine} in {self.batch}"


class Suggestion(models.Model):
    """What a worker was shown of a machine's word on one assignment, or that they answered without it."""

    class Arm(models.TextChoices):
        SHOWN = "shown", _("shown as it is")
        BLIND = "blind", _("not shown")
        ALTERED = "altered", _("shown with another label on purpose")

    assignment = models.OneToOneField(
        "marketplace.Assignment", primary_key=True, on_delete=models.PROTECT, related_name="suggestion"
    )
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(MachineVersion, on_delete=models.PROTECT, related_name="+")
    arm = models.CharField(max_length=8, choices=Arm.choices)
    shown = models.JSONField(default=dict, help_text="Question -> value; empty where nothing was shown.")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.arm} on {self.assignment_id}"
