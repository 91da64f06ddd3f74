import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0007_policy_violation"),
        ("marketplace", "0018_repairs"),
        ("quality", "0009_quick_lists"),
        ("workers_app", "0002_requests"),
    ]

    operations = [
        migrations.AddField(
            model_name="workerreliability",
            name="cluster",
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="workerreliability",
            name="signs",
            field=models.JSONField(
                blank=True, db_default={}, default=dict, help_text="Of spam and copying, with intervals."
            ),
        ),
        migrations.CreateModel(
            name="Healing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("ignored", "a worker's answers lost their weight"),
                            ("counted", "a worker's answers count again"),
                            ("key", "a known answer was corrected"),
                            ("experts", "what stayed disputed went to experts"),
                            ("machine", "a machine may not answer alone any more"),
                        ],
                        max_length=8,
                    ),
                ),
                ("leaned", models.IntegerField(default=0, help_text="Labels that leaned on it.")),
                ("changed", models.IntegerField(default=0)),
                ("asked", models.IntegerField(default=0, help_text="HITs that opened again.")),
                ("cost", models.BigIntegerField(default=0, help_text="Micros that these answers cost.")),
                ("begun_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="healings", to="marketplace.batch"
                    ),
                ),
                (
                    "fit",
                    models.ForeignKey(
                        blank=True,
                        help_text="The refit that knows of it.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.operation",
                    ),
                ),
                (
                    "repair",
                    models.ForeignKey(
                        blank=True,
                        help_text="The batch that asks again what was below its target after close.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.batch",
                    ),
                ),
                (
                    "work",
                    models.ForeignKey(
                        blank=True,
                        help_text="Takes the weight; empty where that was done at once.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="core.operation",
                    ),
                ),
                (
                    "worker",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workers_app.worker",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="HealedLabel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("question", models.CharField(max_length=60)),
                ("part", models.CharField(blank=True, default="", max_length=80)),
                ("label", models.SmallIntegerField(blank=True, help_text="Class index before.", null=True)),
                ("value", models.JSONField(blank=True, help_text="Of kinds without classes.", null=True)),
                ("confidence", models.FloatField(default=0)),
                ("state", models.CharField(max_length=10)),
                (
                    "taken",
                    models.SmallIntegerField(help_text="Answers that its HIT had ended with; empty: it was open.", null=True),
                ),
                ("is_changed", models.BooleanField(default=False)),
                ("is_asked", models.BooleanField(default=False)),
                (
                    "is_short",
                    models.BooleanField(default=False, help_text="Below its target now, and not asked again."),
                ),
                (
                    "healing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="labels",
                        to="quality.healing",
                    ),
                ),
                (
                    "hit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.hit",
                    ),
                ),
                (
                    "repair_hit",
                    models.OneToOneField(
                        blank=True,
                        help_text="Asks again about it, in a repair batch; once for all labels of a HIT.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketplace.hit",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="healing", index=models.Index(fields=["batch", "id"], name="healing_by_batch")
        ),
        migrations.AddIndex(
            model_name="healing",
            index=models.Index(condition=models.Q(("done_at__isnull", True)), fields=["id"], name="healing_due"),
        ),
        migrations.AddConstraint(
            model_name="healing",
            constraint=models.UniqueConstraint(
                condition=models.Q(("work__isnull", False)), fields=("work", "batch"), name="healing_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="healedlabel",
            constraint=models.UniqueConstraint(
                fields=("healing", "hit", "question", "part"), name="healed_label_once"
            ),
        ),
    ]
