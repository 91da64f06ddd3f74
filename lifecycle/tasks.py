"""The clock's steps as Celery tasks: beat sends one of each a second, to spread them over more processes and machines.
A lost or repeated message costs nothing, and the sweep is enough by itself."""

from celery import shared_task

from lifecycle import decide, digest, expire


@shared_task
def digest_due() -> int:
    return digest.digest_due(in_order=False)


@shared_task
def decide_due() -> int:
    return decide.decide_due()


@shared_task
def expire_due() -> int:
    return expire.expire_due()
