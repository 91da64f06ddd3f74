from django.db import migrations

from core.database import append_only, storage


class Migration(migrations.Migration):
    dependencies = [("quality", "0002_initial")]
    operations = [
        append_only("quality_judgment"),
        storage("quality_workerreliability", "fillfactor=70"),
        storage("quality_belief", "fillfactor=70"),
    ]
