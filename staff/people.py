"""Finding people: by state, e-mail and name."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from users.models import User

SHOWS = {
    "all": gettext_lazy("Everybody"),
    "waiting": gettext_lazy("Waiting to be let in"),
    "staff": gettext_lazy("Staff"),
    "locked": gettext_lazy("Locked out"),
}


def found_people(*, show: str = "all", words: str = "") -> QuerySet[User]:
    """People by state, and by the beginning of their e-mail or a whole name."""
    people = User.objects.all()
    if show == "waiting":
        people = people.filter(approved_at=None, is_active=True)
    elif show == "staff":
        people = people.filter(is_staff=True)
    elif show == "locked":
        people = people.filter(is_active=False)
    if words:
        # A range of the unique e-mail, which its index can find; LIKE in this collation could not.
        beginning = words.lower()
        people = people.filter(Q(email__gte=beginning, email__lt=f"{beginning}\U0010ffff") | Q(name__iexact=words))
    return people
