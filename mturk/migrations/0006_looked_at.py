"""A place that is kept ready, or only looked at, was accepted by nobody: that is noted when it is opened."""

from django.db import migrations

TRIGGER = """
DROP TRIGGER mturk_assignment_made ON marketplace_assignment;
CREATE TRIGGER mturk_assignment_made AFTER INSERT ON marketplace_assignment
    FOR EACH ROW WHEN (NOT NEW.is_ahead) EXECUTE FUNCTION mturk_note_change();
CREATE TRIGGER mturk_assignment_opened AFTER UPDATE OF is_ahead ON marketplace_assignment
    FOR EACH ROW WHEN (OLD.is_ahead AND NOT NEW.is_ahead AND OLD.state = 'accepted' AND NEW.state = 'accepted')
    EXECUTE FUNCTION mturk_note_change();
"""
BACK = """
DROP TRIGGER mturk_assignment_opened ON marketplace_assignment;
DROP TRIGGER mturk_assignment_made ON marketplace_assignment;
CREATE TRIGGER mturk_assignment_made AFTER INSERT ON marketplace_assignment
    FOR EACH ROW EXECUTE FUNCTION mturk_note_change();
"""


class Migration(migrations.Migration):
    dependencies = [("mturk", "0005_disposal")]
    operations = [migrations.RunSQL(TRIGGER, BACK)]
