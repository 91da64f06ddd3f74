"""The ids that Mechanical Turk's clients see: nothing is stored for them, they are our own in another alphabet.

HITs, HIT types, assignments, qualification types and requests: `3` and the UUID in upper-case base 36. Workers: `A` and
13 characters of base 32 that stand for their pseudonym with this requester.
"""

from __future__ import annotations

import re
import uuid

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WIDTH = 25  # characters of base 36 that hold 128 bits
ID = re.compile(r"3[0-9A-Z]{25}")


def written(public_id: uuid.UUID) -> str:
    """
    >>> written(uuid.UUID(int=35))
    '3000000000000000000000000Z'
    """
    left, digits = public_id.int, []
    for _ in range(WIDTH):
        left, digit = divmod(left, 36)
        digits.append(ALPHABET[digit])
    return "3" + "".join(reversed(digits))


def read(text: str) -> uuid.UUID | None:
    """The UUID behind an id; None for what is no id of ours.

    >>> read("3000000000000000000000000Z").int, read("abc")
    (35, None)
    """
    if not ID.fullmatch(text):
        return None
    value = int(text[1:], 36)
    return uuid.UUID(int=value) if value < 1 << 128 else None


def worker_id(code: str) -> str:
    """The A... form of a pseudonym: 13 of its characters.

    >>> worker_id("WK7Q2M4ZP3XA5B6CD")
    'AK7Q2M4ZP3XA5B'
    """
    return "A" + code[1:14]


def codes_like(worker_id: str) -> tuple[str, str] | None:
    """The range of pseudonyms behind an A... id, its least and its greatest in any order of letters and digits (base 32
    has no 8 or 9, and digits go first); None for what is none of ours.

    >>> codes_like("AK7Q2M4ZP3XA5B")
    ('WK7Q2M4ZP3XA5B', 'WK7Q2M4ZP3XA5BZZZ')
    """
    if not re.fullmatch(r"A[A-Z2-7]{13}", worker_id):
        return None
    return "W" + worker_id[1:], "W" + worker_id[1:] + "ZZZ"
