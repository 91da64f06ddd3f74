"""The product's settings, with a way to die at a chosen point."""

from config.settings.dev import *  # noqa: F403
from config.settings.dev import MIDDLEWARE

MIDDLEWARE = ["tests.drills.dying.DieOnRequest", *MIDDLEWARE]
