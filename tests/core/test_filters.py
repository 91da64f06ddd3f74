"""A list comes back as one left it."""

import pytest
from django.http import HttpResponse

from core.filters import remembers


@remembers("state", "topic")
def listed(request):
    return HttpResponse(request.GET.urlencode())


@pytest.fixture
def ask(rf):
    jar = {}

    def get(path):
        request = rf.get(path)
        request.COOKIES.update(jar)
        response = listed(request)
        for name, morsel in response.cookies.items():
            assert morsel["path"] == "/list/"
            if morsel["max-age"] == 0:
                jar.pop(name, None)
            else:
                jar[name] = morsel.value
        return response

    return get


def test_filters_come_back_without_a_query(ask):
    ask("/list/?state=open&topic=a&topic=b&page=3")

    response = ask("/list/")

    assert (response.status_code, response.url) == (302, "/list/?state=open&topic=a&topic=b")


def test_another_query_is_left_alone(ask):
    ask("/list/?state=open")

    assert ask("/list/?page=2").content == b"page=2"
    assert ask("/list/").url == "/list/?state=open"


def test_filters_sent_empty_are_forgotten(ask):
    ask("/list/?state=open")
    ask("/list/?state=&topic=")

    assert ask("/list/").status_code == 200


def test_odd_cookies_do_no_harm(rf):
    request = rf.get("/list/")
    request.COOKIES["filters_listed"] = "next=//evil.example&state=%0d%0aX:1&=;"

    assert listed(request).url == "/list/?state=%0D%0AX%3A1"
