

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('marketplace', '0005_lane_share'),
        ('quality', '0004_belief_seen'),
        ('workers_app', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='goldquestion',
            name='limit',
            field=models.PositiveSmallIntegerField(blank=True, help_text='Openings after which it retired; empty while it is in work.', null=True),
        ),
        migrations.AddField(
            model_name='goldscore',
            name='counted_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='workerreliability',
            name='checked',
            field=models.IntegerField(db_default=0, default=0, help_text='Answers that gate and monitor have looked at.'),
        ),
        migrations.AddField(
            model_name='workerreliability',
            name='paused_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='workerreliability',
            name='since',
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name='goldquestion',
            name='weight',
            field=models.FloatField(default=1, help_text='Probability that the key of a soft one is right.'),
        ),
        migrations.AlterField(
            model_name='goldscore',
            name='gold',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='scores', to='quality.goldquestion'),
        ),
        migrations.AlterField(
            model_name='workerreliability',
            name='state_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
        migrations.AddIndex(
            model_name='goldscore',
            index=models.Index(fields=['gold'], name='gold_score_by_gold'),
        ),
        migrations.AddIndex(
            model_name='goldscore',
            index=models.Index(condition=models.Q(('counted_at__isnull', True)), fields=['id'], name='gold_score_due'),
        ),
        migrations.AddIndex(
            model_name='workerreliability',
            index=models.Index(condition=models.Q(('state', 'paused')), fields=['paused_at'], name='reliability_paused'),
        ),
    ]
