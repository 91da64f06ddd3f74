

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('marketplace', '0004_uploads'),
        ('workers_app', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='batch',
            name='lane_share',
            field=models.FloatField(db_default=0, default=0, help_text='Participation.lane_share of a newcomer.'),
        ),
        migrations.AddField(
            model_name='participation',
            name='barred_text',
            field=models.CharField(blank=True, db_default='', default='', help_text='Why and until when; both sides read it.', max_length=300),
        ),
        migrations.AddField(
            model_name='project',
            name='quiz',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='quiz_of', to='workers_app.qualification'),
        ),
    ]
