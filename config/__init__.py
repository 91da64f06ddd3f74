"""How the project is put together: settings, processes, the database it starts for itself."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
