from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers_app"
    default_auto_field = "django.db.models.BigAutoField"
