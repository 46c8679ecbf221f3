"""Review items and possible duplicates: people in charge, comments, work on the home page."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from catalog.models import MatchDecision, ReviewItem
from mlops.models import Comment
from tests.factories.catalog import ProductFactory

pytestmark = pytest.mark.django_db
LISTS = {
    "review": "/console/catalog/reviewitem/",
    "duplicate": "/console/catalog/matchdecision/",
}
TITLES = {
    "review": "Source values that differ from a locked field",
    "duplicate": "Possible duplicates",
}


def _user(name: str) -> User:
    user = User.objects.create_user(name, password=None, is_staff=True)
    user.groups.add(Group.objects.get(name="Catalogue editor"))
    return user


@pytest.fixture
def editor() -> User:
    return _user("edith")


@pytest.fixture
def client(editor: User) -> Client:
    client = Client()
    client.force_login(editor)
    return client


def _row(kind: str) -> ReviewItem | MatchDecision:
    """Return a row that waits for a decision."""
    if kind == "review":
        return ReviewItem.objects.create(
            product=ProductFactory.create(), field="price", source="ocs", current_source_value=1
        )
    left, right = sorted(ProductFactory.create().merge_key for _ in range(2))
    return MatchDecision.objects.create(
        left_key=left, right_key=right, score=80, reasons=[], algorithm="1"
    )


def _shown(client: Client, kind: str, choice: str) -> list[Any]:
    page = client.get(f"{LISTS[kind]}?assignee={choice}")
    return [row.pk for row in page.context["cl"].result_list]


@pytest.mark.parametrize("kind", LISTS)
def test_rows_are_assigned_and_filtered(client: Client, editor: User, kind: str) -> None:
    mine, free = _row(kind), _row(kind)

    client.post(LISTS[kind], {"action": "assign_to_me", "_selected_action": [mine.pk]})

    shown = {choice: _shown(client, kind, choice) for choice in ("me", "none", "others")}
    assert shown == {"me": [mine.pk], "none": [free.pk], "others": []}


@pytest.mark.parametrize("kind", LISTS)
def test_assignment_is_taken_back(client: Client, kind: str) -> None:
    row = _row(kind)
    selected = {"_selected_action": [row.pk]}
    client.post(LISTS[kind], {"action": "assign_to_me", **selected})

    client.post(LISTS[kind], {"action": "unassign", **selected})

    row.refresh_from_db()
    assert row.assigned_to is None
    actions = Comment.objects.filter(row_id=str(row.pk)).values_list("action", flat=True)
    assert sorted(actions) == ["assign", "unassign"]


@pytest.mark.parametrize("kind", LISTS)
def test_rows_are_commented_on(client: Client, kind: str) -> None:
    row = _row(kind)

    response = client.post(
        f"{LISTS[kind]}{row.pk}/discuss/", {"action": "comment", "text": "see invoice"}, follow=True
    )

    ((comment, _action),) = response.context["comments"]
    assert (comment.author.username, comment.text) == ("edith", "see invoice")


@pytest.mark.parametrize("kind", LISTS)
def test_home_shows_what_is_mine_and_what_is_unassigned(
    client: Client, editor: User, kind: str
) -> None:
    type(_row(kind))._default_manager.update(assigned_to=editor)
    _row(kind)
    _row(kind)

    work = {str(item.title): item for item in client.get("/console/").context["work"]}

    item = work[TITLES[kind]]
    assert (item.count, item.mine, item.unassigned) == (3, 1, 2)
    assert client.get(item.assignee_urls["none"]).context["cl"].result_count == 2


@pytest.mark.parametrize("kind", LISTS)
def test_reader_may_not_comment(kind: str) -> None:
    reader = User.objects.create_user("aude", password=None, is_staff=True)
    reader.groups.add(Group.objects.get(name="Auditor"))
    client = Client()
    client.force_login(reader)
    row = _row(kind)

    response = client.post(
        f"{LISTS[kind]}{row.pk}/discuss/", {"action": "comment", "text": "see invoice"}
    )

    assert response.status_code == 403
    assert not Comment.objects.exists()


@pytest.mark.parametrize("kind", LISTS)
def test_list_needs_the_same_queries_for_many_rows(
    client: Client, editor: User, kind: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        _row(kind)
    MatchDecision.objects.update(assigned_to=editor)
    ReviewItem.objects.update(assigned_to=editor)

    with django_assert_max_num_queries(14):
        client.get(LISTS[kind])
