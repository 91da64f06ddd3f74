"""A site for the public, behind TLS. Everything that is secret or particular to the site has to be given."""

from config.settings.base import *  # noqa: F403
from config.settings.base import ENV

SECRET_KEY = ENV.str("SECRET_KEY")
ALLOWED_HOSTS = ENV.list("ALLOWED_HOSTS")
