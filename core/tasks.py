from celery import shared_task
from django.utils import timezone

from core.models import Watermark


@shared_task
def heartbeat() -> None:
    """Show that workers take tasks: the supervisor restarts them when this stops."""
    Watermark.objects.update_or_create(name="celery", defaults={"at": timezone.now()})
