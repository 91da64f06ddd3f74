"""What only the dialect needs: access keys. Everything else is the market's own rows."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class AccessKey(models.Model):
    """A key pair with which a program signs. The secret is kept encrypted: checking a signature needs it."""

    requester = models.ForeignKey("marketplace.Requester", on_delete=models.CASCADE, related_name="access_keys")
    made_by = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="access_keys")
    key_id = models.CharField(max_length=20, unique=True)
    sealed = models.BinaryField(help_text="The secret, encrypted with a key that is not in the database.")
    name = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.key_id
