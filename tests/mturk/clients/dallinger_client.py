"""Dallinger's service for Mechanical Turk: a HIT with a notification, approval, a bonus, a qualification."""

import json
import os
import sys

from dallinger.mturk import MTurkQualificationRequirements, MTurkQuestions, MTurkService

act, what = sys.argv[1:]
service = MTurkService(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], "us-east-1")
assert service.check_credentials()
if act == "publish":
    seen = service.create_qualification_type("seen before", "Has taken part.")
    made = service.create_hit(
        "experiment",
        "By Dallinger",
        "One word.",
        ["words"],
        0.05,
        duration_hours=1,
        lifetime_days=1,
        question=MTurkQuestions.external(what),
        max_assignments=1,
        annotation="experiment",
        qualifications=[
            MTurkQualificationRequirements.min_approval(95),
            MTurkQualificationRequirements.restrict_to_countries(["US"]),
            MTurkQualificationRequirements.must_not_have(seen["id"]),
        ],
        do_subscribe=False,
    )
    print(json.dumps({"hit": made["id"]}))
else:
    said = [one["AssignmentId"] for one in service.mturk.list_assignments_for_hit(HITId=what)["Assignments"]]
    for one in said:
        assert service.approve_assignment(one) and service.grant_bonus(one, 0.02, "Quick work.")
        worker = service.get_assignment(one)["worker_id"]
        assert service.assign_named_qualification("seen before", worker, 1)
        assert service.current_named_qualification_score("seen before", worker)["score"] == 1
    print(json.dumps({"said": said, "status": [service.get_assignment(one)["status"] for one in said]}))
