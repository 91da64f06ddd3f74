from marketplace.models.assignment import Answer, Appeal, Assignment, Draft, Participation
from marketplace.models.choosing import Favourite, Rating, RatingSum, SavedSearch
from marketplace.models.guidance import GuidelineNote
from marketplace.models.hit import Hit, HitData
from marketplace.models.messages import Message, Thread
from marketplace.models.project import Batch, Project
from marketplace.models.requester import Block, Media, MediaWait, Membership, Requester, Webhook, WebhookDelivery

__all__ = [
    "Answer",
    "Appeal",
    "Assignment",
    "Batch",
    "Block",
    "Draft",
    "Favourite",
    "GuidelineNote",
    "Hit",
    "HitData",
    "Media",
    "MediaWait",
    "Membership",
    "Message",
    "Participation",
    "Project",
    "Rating",
    "RatingSum",
    "Requester",
    "SavedSearch",
    "Thread",
    "Webhook",
    "WebhookDelivery",
]
