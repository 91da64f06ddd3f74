"""larry, as its users write it: publish a page, read what workers said, approve."""

import json
import sys
from pathlib import Path

import larry as lry

act, what = sys.argv[1:]
if act == "publish":
    hit = lry.mturk.create_hit(
        title="By larry",
        description="One word.",
        reward="0.05",
        lifetime=3600,
        assignment_duration=600,
        max_assignments=1,
        html_question=Path(what).read_text(),
    )
    print(json.dumps({"hit": hit.hit_id}))
else:
    found = list(lry.mturk.list_assignments_for_hit(what))
    for assignment in found:
        lry.mturk.client.approve_assignment(AssignmentId=assignment.assignment_id)
    after = [lry.mturk.get_assignment(assignment.assignment_id)[0].status for assignment in found]
    print(json.dumps({"said": [assignment.answer for assignment in found], "status": after}))
