"""`make run`: the whole product on one machine, over plain HTTP. DEBUG=1 for work on the code."""

import secrets

from config.settings.base import *  # noqa: F403
from config.settings.base import DATA_DIR, ENV, FRAME_ORIGIN, SITE_URL, STORAGES

DEBUG = ENV.bool("DEBUG", False)
DEMO = ENV.bool("DEMO", True)
# One process under two names: the site is 127.0.0.1, frames are localhost.
FRAME_ORIGIN = FRAME_ORIGIN or (SITE_URL.replace("//127.0.0.1", "//localhost") if "//127.0.0.1" in SITE_URL else "")


def _kept_secret() -> str:
    """SECRET_KEY, or one made at the first start and kept with the data: pseudonyms hang on it."""
    if given := ENV.str("SECRET_KEY", ""):
        return given
    path = DATA_DIR / "secret_key"
    if not path.exists():
        if not DATA_DIR.exists():
            DATA_DIR.mkdir(parents=True)
            DATA_DIR.chmod(0o755)  # also under a strict umask: the database's user must pass through
        fresh = path.with_name(f"secret_key.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        try:
            path.hardlink_to(fresh)  # of two first starts at once, one wins and the other reads its key
        except FileExistsError:
            pass
        fresh.unlink()
    return path.read_text().strip()


SECRET_KEY = _kept_secret()

if DEBUG:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
