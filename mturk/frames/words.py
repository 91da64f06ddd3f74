"""What the scripts inside frames say to workers."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as N_

WORDS = (
    N_("At least %s."),
    N_("At most %s."),
    N_("Choose a file."),
    N_("Choose at least %s."),
    N_("Choose at most %s."),
    N_("That does not have the form that is asked for."),
    N_("The file is too small or too large."),
    N_("Write a number."),
    N_("%s marked."),
    N_("%s removed."),
    N_("A shape is not finished: Enter finishes it, Escape drops it."),
    N_("A side would cross another one of this shape."),
    N_("Accept this HIT before you hand it in."),
    N_("Add a comment."),
    N_("Add instance"),
    N_("Answer this question."),
    N_(
        "Arrow keys move the brush (Shift: one pixel), Space paints, + and - change its size. E erases. P"
        " draws a polygon: Space places its points, Enter fills it, Escape drops it."
    ),
    N_(
        "Arrow keys move the cross (Shift: one pixel), Space places a point, Enter finishes the shape,"
        " Escape drops it. Click and double-click do too."
    ),
    N_("Arrow keys move the cross (Shift: one pixel), Space places a point. Click does too."),
    N_("Arrow keys move the cross (Shift: one pixel), Space places the first and the second point. Dragging does too."),
    N_("Arrow keys move, Shift marks, a number labels it. Backspace removes the label at the caret."),
    N_("At least %s characters."),
    N_("At least %s points."),
    N_("Bad"),
    N_("Brush"),
    N_("Button"),
    N_("Choose"),
    N_("Choose a label first."),
    N_("Choose an answer."),
    N_("Choose one"),
    N_("Choose one."),
    N_("Click for instructions"),
    N_("Click to open modal"),
    N_("Close"),
    N_("Detailed Instructions"),
    N_("Erased."),
    N_("Eraser"),
    N_("Examples"),
    N_("Fill this in."),
    N_("Full instructions"),
    N_("Good"),
    N_("Instructions"),
    N_("Label"),
    N_("Label: %s"),
    N_("Mark the picture"),
    N_("Mark the text"),
    N_("Mark what is asked for, or say that there is nothing to mark."),
    N_("Move the slider to your answer."),
    N_("Part of that is marked already. Take all of it, or remove the label first."),
    N_("Point at %s, %s."),
    N_("Polygon"),
    N_("Redo"),
    N_("Remove %s"),
    N_("Size of the brush"),
    N_("Something is missing or cannot be right: see above."),
    N_("Submit"),
    N_("Summary"),
    N_("Text"),
    N_("That was too small."),
    N_("The picture is not there yet."),
    N_("There is nothing to mark."),
    N_("This cannot be right."),
    N_("Tick this to go on."),
    N_("Undo"),
    N_("Wait until the picture is there."),
    N_("What is marked"),
    N_("picture to mark"),
    N_("text to mark"),
)


def words() -> dict[str, str]:
    """In the worker's language."""
    return {word: _(word) for word in WORDS}
