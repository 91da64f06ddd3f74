import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0002_invitation_code")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="public_id",
            # The database draws one for each row that is there.
            field=models.UUIDField(
                db_default=models.Func(function="gen_random_uuid"), default=uuid.uuid4, editable=False, unique=True
            ),
        )
    ]
