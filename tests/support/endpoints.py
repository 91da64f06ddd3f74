"""The table of endpoints in docs/api.md, from the code: `python -m tests.support.endpoints` writes it there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"
HEAD = "## Every endpoint\n"


def table() -> str:
    """A line for each URL and method: what it does, in the first sentence of its docstring, and the scopes for it."""
    from tests.support.url_policy import methods_of, patterns

    lines = ["| endpoint | what | scope |", "| --- | --- | --- |"]
    for name, pattern in patterns():
        view = getattr(pattern.callback, "cls", None)
        if not name.startswith("api-") or view is None:
            continue
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
        for method in methods_of(pattern):
            handler = getattr(view, method.lower(), None)
            if handler is None or not hasattr(handler, "scopes"):
                continue
            words = " ".join((handler.__doc__ or "").split())
            first = re.split(r"(?<=[.;])\s", words)[0].rstrip(".;").replace("|", "\\|")
            lines.append(f"| `{method} /{path}` | {first} | {', '.join(handler.scopes) or 'none'} |")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """The page with the table as it is now, at its end."""
    words = "From the code. Paths stand below `/api/v1`; bodies and answers are in the document."
    before = page.partition(HEAD)[0].rstrip("\n")
    return f"{before}\n\n{HEAD}\n{words}\n\n{table()}"


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    django.setup()
    PAGE.write_text(written(PAGE.read_text()))
