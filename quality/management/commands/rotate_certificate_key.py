"""`manage.py rotate_certificate_key`: sign with a new key from now on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from quality.services.signing import rotate


class Command(BaseCommand):
    help = "Makes a new key for certificates and prints its id. What older keys signed still verifies."

    def handle(self, **options: Any) -> None:
        self.stdout.write(rotate())
