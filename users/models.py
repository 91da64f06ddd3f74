"""People. A user may be a requester's member, a worker, both, or staff."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Signs in by e-mail. Everything personal hangs here and nowhere else, so that erasing is one row's work."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=60, default="UTC")
    language = models.CharField(max_length=12, default="en")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    approved_at = models.DateTimeField(
        null=True, blank=True, default=timezone.now, help_text="Empty while a sign-up waits for staff."
    )
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []  # type: ignore[misc]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.split("@")[0]

    def unread_notices(self) -> int:
        """How many wait to be read; counted up to 100."""
        return self.notices.filter(read_at=None)[:100].count()


class Invitation(models.Model):
    """Lets one person sign up where the site is by invitation, and may carry a role in an organisation."""

    code = models.CharField(max_length=64, unique=True, default=secrets.token_urlsafe)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=12, choices=[("requester", "requester"), ("worker", "worker")], default="worker")
    requester_id = models.BigIntegerField(null=True, blank=True)
    member_role = models.CharField(max_length=12, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="invitations_used")

    def __str__(self) -> str:
        return self.email or self.code[:6]


class ApiToken(models.Model):
    """A bearer token for programs. Shown once; we keep its hash."""

    class Scope(models.TextChoices):
        """What a token may do, as people read it."""

        READ = "read", _("read everything of yours")
        WRITE = "write", _("write: projects, batches, decisions")
        MONEY = "money", _("spend: publish, bonus")
        WORK = "work", _("work in your name")
        WORK_ANY = "work:any", _("work on an item it names")
        ADMIN = "admin", _("act as staff")

    SCOPES = tuple(Scope.values)

    public_id = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, db_default=models.Func(function="gen_random_uuid")
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80, blank=True)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_on = models.DateField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def may(self) -> list[str]:
        """Its scopes as people read them."""
        return [str(self.Scope(scope).label) for scope in self.scopes if scope in self.Scope]

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class Way(models.TextChoices):
    """How somebody hears of a group of things."""

    PAGE = "page", _("Here only")
    MAIL = "mail", _("Here, and by e-mail at once")
    DAILY = "daily", _("Here, and in one e-mail a day")
    OFF = "off", _("Not at all")


class NoticePreference(models.Model):
    """What one person chose for one group of notices; the groups and their defaults are in `users.notices`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notice_preferences")
    group = models.CharField(max_length=20)
    way = models.CharField(max_length=8, choices=Way.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "group"], name="notice_preference_once")]

    def __str__(self) -> str:
        return f"{self.group}: {self.way}"


class Notice(models.Model):
    """Something that happened and concerns one person, in their language as it was then."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40, help_text="A stable word, such as answer.rejected.")
    key = models.CharField(max_length=120, blank=True, help_text="The same key again is the same notice.")
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    url = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    mail_due_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it is not sent by e-mail.")
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="notice_key_once", condition=~models.Q(key=""))
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_of_user"),
            models.Index(fields=["user"], name="notice_unread", condition=models.Q(read_at=None)),
            models.Index(fields=["user", "mailed_at"], name="notice_mailed", condition=~models.Q(mailed_at=None)),
            models.Index(
                fields=["mail_due_at"],
                name="notice_mail_due",
                condition=models.Q(mail_due_at__isnull=False, mailed_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"
