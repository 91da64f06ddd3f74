from django.db import migrations

from core.database import append_only


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_initial")]
    operations = [append_only("payments_transfer"), append_only("payments_entry")]
