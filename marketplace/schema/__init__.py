"""What a project asks: the typed, bound schema of its questions, and what an answer to it looks like.

    schema = schema_of(project.questions)                       # Invalid names each mistake: "questions[2].labels"
    answers = schema.parse({"digit": "7"}, hit_data)            # Invalid names each question: {"digit": "..."}
    schema["digit"].judgments(answers["digit"])                 # [Judged(part="", label=7, number=None)]

The reference of the format is docs/posting.md.
"""

from marketplace.schema.kinds import BUILT_KINDS, CANT_TELL, KINDS, NA, Judged, is_na
from marketplace.schema.question import PART_COLUMNS, Question, Score
from marketplace.schema.schema import Schema, schema_of

__all__ = [
    "BUILT_KINDS",
    "CANT_TELL",
    "KINDS",
    "NA",
    "PART_COLUMNS",
    "Judged",
    "Question",
    "Schema",
    "Score",
    "is_na",
    "schema_of",
]
