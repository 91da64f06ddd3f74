import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0017_picture_size")]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="repairs",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="repair_batches",
                to="marketplace.batch",
            ),
        ),
    ]
