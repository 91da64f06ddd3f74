"""The product's settings, with a way to die at a chosen point, and to come back soon."""

from config.settings.dev import *  # noqa: F403
from config.settings.dev import MIDDLEWARE

RESTART_PAUSE_SECONDS = 0.5  # a drill kills more often than anything dies by itself
MIDDLEWARE = ["tests.drills.dying.DieOnRequest", *MIDDLEWARE]
