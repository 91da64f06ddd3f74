from django.db import migrations

from core.database import append_only, storage

# Claims update these rows all day: room on the page keeps the updates heap-only, an absolute threshold keeps
# autovacuum coming at 10^6 rows as it does at 10^4 (CLAIM.md).
OFTEN = "autovacuum_vacuum_threshold=5000, autovacuum_vacuum_scale_factor=0"


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0002_initial")]
    operations = [
        append_only("marketplace_answer", may_update=["digested_at", "final_at"]),
        storage("marketplace_hit", f"fillfactor=80, {OFTEN}"),
        storage("marketplace_participation", "fillfactor=50"),
        storage("marketplace_assignment", "fillfactor=85"),
    ]
