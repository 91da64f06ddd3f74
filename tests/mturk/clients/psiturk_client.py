"""psiTurk's own services: a HIT with its requirements, its assignments, approval."""

import datetime
import json
import os
import sys

from psiturk.amt_services import MTurkServices


class Config(dict):
    def get(self, section, name):
        return {
            "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        }[name]

    def set(self, *_):
        pass


act, what = sys.argv[1:]
services = MTurkServices(config=Config(), mode="sandbox")
if act == "publish":
    made = services.create_hit(
        {
            "ad_location": what,
            "approve_requirement": 0,
            "number_hits_approved": 0,
            "require_master_workers": False,
            "us_only": False,
            "require_qualification_ids": [],
            "block_qualification_ids": [],
            "advanced_qualifications": [],
            "title": "By psiTurk",
            "description": "One word.",
            "keywords": "words",
            "reward": 0.05,
            "duration": datetime.timedelta(minutes=10),
            "lifetime": datetime.timedelta(hours=1),
            "max_assignments": 1,
        }
    )
    if not made.success:
        raise made.exception
    print(json.dumps({"hit": made.data["HITId"]}))
else:
    found = services.get_assignments("Submitted", what).data
    for one in found:
        done = services.approve_assignment(one["assignmentId"])
        if not done.success:
            raise done.exception
    after = [services.get_assignment(one["assignmentId"]).data["status"] for one in found]
    print(json.dumps({"said": [one["assignmentId"] for one in found], "status": after}))
