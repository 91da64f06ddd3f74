"""How workers choose: ratings of requesters, favourites, saved searches."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Empty, Input, JsonObject
from marketplace.api.finding import one, requester_for, worker_of
from marketplace.models import Favourite, Rating, Requester, SavedSearch
from marketplace.selectors import known_projects, rating_of
from marketplace.services import choosing


class MyRatingOut(serializers.Serializer):
    requester = serializers.UUIDField(source="requester.public_id")
    name = serializers.CharField(source="requester.name")
    stars = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class RatingIn(Input):
    stars = serializers.IntegerField(min_value=1, max_value=5)


class RatingOut(serializers.Serializer):
    raters = serializers.IntegerField(help_text="Workers who spoke; 0 until five have.")
    stars = serializers.FloatField(allow_null=True, help_text="The mean, 1 to 5.")
    low = serializers.FloatField(allow_null=True, help_text="Of its 95 % interval.")
    high = serializers.FloatField(allow_null=True)


class MyRatings(Endpoint):
    @act("work", gives=MyRatingOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[Rating]:
        """What you said of requesters. Nobody else sees it by itself."""
        return worker_of(request).ratings.select_related("requester")


class MyRating(Endpoint):
    @act("work", takes=RatingIn, gives=MyRatingOut, tag="work")
    def put(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Rating:
        """Rate a requester who has paid you. They see a sum, from five workers on."""
        worker = worker_of(request)
        worked_for = Requester.objects.filter(projects__batches__participations__worker=worker).distinct()
        return choosing.rate_requester(worker=worker, requester=one(worked_for, public_id=organisation_id), **data)


class OrganisationRating(Endpoint):
    @act("read", gives=RatingOut, tag="organisations")
    def get(self, request: Request, organisation_id: uuid.UUID) -> dict[str, Any]:
        """What workers say of working for you: told anew after every five of them."""
        return vars(rating_of(requester_for(request, organisation_id)))


class FavouriteOut(serializers.Serializer):
    project = serializers.UUIDField(source="project.public_id")
    name = serializers.CharField(source="project.name")
    requester = serializers.CharField(source="project.requester.name")
    created_at = serializers.DateTimeField()


class MyFavourites(Endpoint):
    @act("work", gives=FavouriteOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[Favourite]:
        """Projects that you marked."""
        return worker_of(request).favourites.select_related("project__requester")


class MyFavourite(Endpoint):
    @act("work", takes=Empty, tag="work")
    def put(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> None:
        """Mark a project."""
        worker = worker_of(request)
        project = one(known_projects(worker), public_id=project_id)
        choosing.set_favourite(worker=worker, project=project, is_favourite=True)

    @act("work", tag="work")
    def delete(self, request: Request, project_id: uuid.UUID) -> None:
        """Take the mark off."""
        favourite = one(worker_of(request).favourites.select_related("project"), project__public_id=project_id)
        choosing.set_favourite(worker=favourite.worker, project=favourite.project, is_favourite=False)


class SearchOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    filters = serializers.JSONField()
    tells = serializers.BooleanField(help_text="New work that fits is announced to you.")
    created_at = serializers.DateTimeField()


class SearchIn(Input):
    name = serializers.CharField(max_length=80)
    filters = JsonObject(help_text="As the query of GET /work.")
    tells = serializers.BooleanField(required=False, default=False)


class MySearches(Endpoint):
    @act("work", gives=SearchOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[SavedSearch]:
        """Your saved searches."""
        return worker_of(request).saved_searches.all()

    @act("work", takes=SearchIn, gives=SearchOut, status=201, keyed=True, tag="work")
    def post(self, request: Request, data: dict[str, Any]) -> SavedSearch:
        """Keep filters of the list of work under a name."""
        return choosing.save_search(worker=worker_of(request), **data)


class MySearch(Endpoint):
    @act("work", tag="work")
    def delete(self, request: Request, search_id: uuid.UUID) -> None:
        """Forget one."""
        choosing.delete_search(search=one(worker_of(request).saved_searches.all(), public_id=search_id))
