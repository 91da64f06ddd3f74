from marketplace.models.assignment import Answer, Appeal, Assignment, Participation
from marketplace.models.hit import Hit, HitData
from marketplace.models.project import Batch, Project
from marketplace.models.requester import Block, Media, MediaWait, Membership, Requester, Webhook, WebhookDelivery

__all__ = [
    "Answer",
    "Appeal",
    "Assignment",
    "Batch",
    "Block",
    "Hit",
    "HitData",
    "Media",
    "MediaWait",
    "Membership",
    "Participation",
    "Project",
    "Requester",
    "Webhook",
    "WebhookDelivery",
]
