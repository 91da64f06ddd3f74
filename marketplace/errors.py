"""Refusals of the marketplace, each with its code."""

from __future__ import annotations

from core.errors import Conflict, Invalid, NotAllowed


class BatchNotOpen(Conflict):
    code = "batch_not_open"
    message = "This batch takes no new work now."


class NoWork(Conflict):
    code = "no_work"
    message = "There is nothing for you in this batch at the moment."


class HitFull(Conflict):
    code = "hit_full"
    message = "Every place on this HIT is taken, or it is closed."


class AlreadyHad(Conflict):
    code = "already_had"
    message = "You have had this HIT already."


class TooManyOpen(Conflict):
    code = "too_many_open"
    message = "Finish or return some of the HITs you hold before you accept another."


class CapReached(Conflict):
    code = "cap_reached"
    message = "You have done as many HITs of this batch as one person may."


class NotEligible(NotAllowed):
    """`errors` maps the code of each open requirement to what it asks and how to meet it."""

    code = "not_eligible"
    message = "This work is not open to you at the moment."


class Hidden(NotEligible):
    """To whom the batch is nothing that they know of: told as if it were not there."""


class NotYours(Conflict):
    code = "not_accepted"
    message = "You no longer hold a place on this HIT."


class DeadlinePassed(Conflict):
    code = "deadline_passed"
    message = (
        "The time for this HIT is over, and its place was taken by another. Your answer is kept for the requester."
    )


class AlreadyFinal(Conflict):
    code = "already_final"
    message = "This answer is final and can no longer be changed."


class AnswerInvalid(Invalid):
    code = "answer_invalid"
    message = "Some answers are missing or do not fit. Nothing was submitted yet."
