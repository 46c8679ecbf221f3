"""Task tray: background work of a user as JSON, by permission, and its button on every page."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from catalog.models import ProductImport
from config.models import ConsoleSession
from mlops.models import Erasure, Run, TrainingRun
from tests.factories.mlops import RunFactory
from tests.factories.vectors import VectorIndexFactory

pytestmark = pytest.mark.django_db
ADDRESS = "/console/background/"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=None)


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def _tasks(client: Client) -> dict[str, dict[str, Any]]:
    return {task["title"]: task for task in client.get(ADDRESS).json()["tasks"]}


def _import(user: User, **fields: Any) -> ProductImport:
    values = {
        "file_name": "prices.csv",
        "state": ProductImport.State.READING,
        "expires_at": timezone.now() + timedelta(days=1),
        **fields,
    }
    return ProductImport.objects.create(uploaded_by=user, **values)


def test_run_in_progress_is_shown_with_its_count_and_page(client: Client) -> None:
    run = RunFactory.create(source="ocs", status=Run.Status.LANDED, finished_at=None, read=1500)

    response = client.get(ADDRESS).json()

    (task,) = response["tasks"]
    assert response["running"] == 1
    assert (task["title"], task["is_running"]) == ("Run: ocs", True)
    assert "1,500" in task["state"]
    assert client.get(task["url"]).context["original"] == run


def test_run_that_just_failed_is_shown_as_failed(client: Client) -> None:
    RunFactory.create(source="ocs", failed=True)

    response = client.get(ADDRESS).json()

    (task,) = response["tasks"]
    assert (response["running"], task["is_running"], task["has_failed"]) == (0, False, True)


def test_work_that_ended_long_ago_is_not_shown(client: Client) -> None:
    RunFactory.create(finished_at=timezone.now() - timedelta(hours=1))

    assert client.get(ADDRESS).json() == {"running": 0, "tasks": []}


def test_run_of_a_killed_process_is_not_shown_forever(client: Client) -> None:
    RunFactory.create(running=True, started_at=timezone.now() - timedelta(days=5))

    assert client.get(ADDRESS).json()["tasks"] == []


def test_training_shows_the_share_of_its_steps(client: Client) -> None:
    TrainingRun.objects.create(model="prices", progress=0.4, as_of=timezone.now())

    task = _tasks(client)["Training: prices"]

    assert (task["done"], task["total"], task["is_running"]) == (40, 100, True)


def test_index_build_is_shown(client: Client) -> None:
    index = VectorIndexFactory.create(status="building")

    task = _tasks(client)[f"Index: {index.physical_name}"]

    assert task["is_running"]


def test_import_shows_the_rows_read(client: Client, root: User) -> None:
    _import(root, read_rows=20, row_count=80)

    task = _tasks(client)["Import: prices.csv"]

    assert (task["done"], task["total"], task["is_running"]) == (20, 80, True)
    assert client.get(task["url"]).status_code == 200


def test_import_that_waits_for_its_user_is_not_running(client: Client, root: User) -> None:
    _import(root, state=ProductImport.State.READY, preview={"counts": {}})

    assert client.get(ADDRESS).json()["running"] == 0


def test_imports_of_others_are_not_shown(client: Client) -> None:
    _import(User.objects.create_user("marc", password=None, is_staff=True))

    assert _tasks(client) == {}


def test_erasure_does_not_name_the_customer(client: Client) -> None:
    subject = uuid4()
    Erasure.objects.create(subject=subject, requested_by="x")

    response = client.get(ADDRESS)

    assert list(_tasks(client)) == ["Erasure of a customer"]
    assert str(subject) not in response.content.decode()


def test_running_work_comes_first(client: Client) -> None:
    now = timezone.now()
    RunFactory.create(source="done", started_at=now, finished_at=now)
    RunFactory.create(source="busy", running=True, started_at=now - timedelta(minutes=5))

    assert list(_tasks(client)) == ["Run: busy", "Run: done"]


def test_work_follows_the_permissions() -> None:
    RunFactory.create(source="ocs", running=True)
    TrainingRun.objects.create(model="prices", as_of=timezone.now())
    Erasure.objects.create(subject=uuid4(), requested_by="x")
    user = User.objects.create_user("petra", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name="Privacy officer"))
    client = Client()
    client.force_login(user)

    assert list(_tasks(client)) == ["Erasure of a customer"]


def test_visitors_are_sent_to_the_login() -> None:
    response = Client().get(ADDRESS)

    assert response.status_code == 302
    assert response["Location"].startswith("/console/login/")


def test_texts_are_in_the_language_of_the_user(client: Client) -> None:
    RunFactory.create(source="ocs", failed=True)

    (task,) = client.get(ADDRESS, headers={"Accept-Language": "fr-CA"}).json()["tasks"]

    assert (task["title"], task["state"]) == ("Exécution : ocs", "échec")


def test_answer_is_not_cached(client: Client) -> None:
    assert "no-store" in client.get(ADDRESS)["Cache-Control"]


@pytest.mark.parametrize("page", ["/console/", "/console/catalog/product/", "/console/mlops/run/"])
def test_pages_have_the_button_and_no_inline_script_for_it(client: Client, page: str) -> None:
    content = client.get(page).content.decode()

    tray = content.split('id="task-tray"')[1].split("</header>")[0]
    assert f'data-url="{ADDRESS}"' in content
    assert 'aria-controls="task-tray-panel"' in tray
    assert "task_tray.js" in content
    assert "onclick" not in tray


def _remaining(client: Client) -> timedelta:
    key = client.session.session_key
    return ConsoleSession.objects.get(pk=key).expire_date - timezone.now()


def test_polling_does_not_prolong_an_idle_session(client: Client) -> None:
    half_an_hour = timezone.now() + timedelta(minutes=30)
    ConsoleSession.objects.update(expire_date=half_an_hour)

    client.get(ADDRESS)
    after_polling = _remaining(client)
    client.get("/console/")
    after_a_page = _remaining(client)

    assert after_polling <= timedelta(minutes=30)
    assert after_a_page > timedelta(minutes=60)


def test_few_queries_for_much_work(
    client: Client, root: User, django_assert_max_num_queries: Any
) -> None:
    RunFactory.create_batch(30, running=True)
    for number in range(5):
        _import(root, file_name=f"{number}.csv")

    # Session and user; one query for each kind of work, whatever its amount.
    with django_assert_max_num_queries(12):
        client.get(ADDRESS)
