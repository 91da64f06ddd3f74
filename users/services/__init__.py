"""People and their tokens, invitations and notices. The first three are short enough to be imported from here."""

from users.services.people import (
    TOKEN_MARK,
    change_person,
    create_person,
    create_token,
    find_invitation,
    revoke_token,
    use_invitation,
)

__all__ = [
    "TOKEN_MARK",
    "change_person",
    "create_person",
    "create_token",
    "find_invitation",
    "revoke_token",
    "use_invitation",
]
