"""Roles: what each may do, and pages that agree with the sidebar."""

import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from config.roles import install_roles, matching
from tests.factories.catalog import ProductFactory

pytestmark = pytest.mark.django_db

# Permissions of roles, by example; the rest follows from settings.ROLES.
MAY = [
    ("Catalogue editor", "catalog.change_product"),
    ("Catalogue editor", "mlops.change_quarantinedrecord"),
    ("Pricing", "competitors.add_priceapproval"),
    ("Pricing", "competitors.change_offermatch"),
    ("Machine learning", "mlops.change_modelversion"),
    ("Machine learning", "customers.change_scenario"),
    ("Privacy officer", "mlops.add_erasure"),
    ("Privacy officer", "mlops.add_legalhold"),
    ("Privacy officer", "customers.view_customerprofile"),
    ("Operator", "catalog.change_catalogsource"),
    ("Operator", "django_celery_beat.change_periodictask"),
    ("Operator", "config.add_apikey"),
    ("Auditor", "mlops.view_operation"),
    ("Auditor", "config.view_apikey"),
    ("Auditor", "biometrics.view_auditentry"),
    ("Privacy officer", "biometrics.change_biometricsettings"),
]
MAY_NOT = [
    ("Catalogue editor", "catalog.delete_product"),
    ("Catalogue editor", "catalog.change_catalogsource"),
    ("Catalogue editor", "customers.view_customerprofile"),
    ("Pricing", "catalog.change_product"),
    ("Pricing", "customers.view_customerprofile"),
    ("Machine learning", "customers.view_customerprofile"),
    ("Machine learning", "customers.view_chatmessage"),
    ("Privacy officer", "catalog.change_product"),
    ("Privacy officer", "config.add_apikey"),
    ("Operator", "customers.view_customerprofile"),
    ("Operator", "mlops.add_erasure"),
    ("Operator", "auth.change_user"),
    ("Auditor", "customers.view_customerprofile"),
    ("Auditor", "customers.view_chatmessage"),
    ("Auditor", "biometrics.view_customerbiometric"),
]


def _user(role: str) -> User:
    user = User.objects.create_user("colette", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _sidebar(client: Client) -> Iterator[tuple[str, bool]]:
    """Yield the address of each entry of the sidebar, and whether it is shown."""
    for group in client.get("/console/").context["sidebar_navigation"]:
        for item in group["items"]:
            yield str(item["link"]), bool(item["has_permission"])


@pytest.mark.parametrize(("role", "permission"), MAY)
def test_role_includes_the_permissions_of_its_work(role: str, permission: str) -> None:
    assert _user(role).has_perm(permission)


@pytest.mark.parametrize(("role", "permission"), MAY_NOT)
def test_role_does_not_include_the_work_of_others(role: str, permission: str) -> None:
    assert not _user(role).has_perm(permission)


def test_auditor_changes_nothing() -> None:
    permissions = _user("Auditor").get_all_permissions()

    assert {name.split(".")[1].split("_")[0] for name in permissions} == {"view"}


@pytest.mark.parametrize("role", settings.ROLES)
def test_sidebar_shows_a_role_the_pages_that_it_may_open(role: str) -> None:
    client = _client(_user(role))

    entries = dict(_sidebar(client))

    statuses = {address: client.get(address).status_code for address in entries}
    assert {address for address, status in statuses.items() if status == 200} == {
        address for address, is_shown in entries.items() if is_shown
    }
    assert set(statuses.values()) <= {200, 403}


def test_one_entry_of_the_sidebar_is_active() -> None:
    User.objects.create_superuser("root", password=None)
    client = _client(User.objects.get(username="root"))
    pages = [address for address, _ in _sidebar(client)]

    for page in pages:
        navigation = client.get(page).context["sidebar_navigation"]
        active = [str(i["link"]) for group in navigation for i in group["items"] if i["active"]]
        assert active == [page]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("admin:django_celery_beat_periodictask_changelist", ["Access", "Schedule"]),
        ("admin:auth_user_add", ["Access", "Staff"]),
        ("admin:mlops_metricthreshold_metrics", ["Data", "Metrics"]),
        ("admin:catalog_product_import", ["Catalogue", "Products"]),
    ],
)
def test_m25_page_is_headed_by_the_names_of_the_sidebar(
    admin_client: Client, page: str, names: list[str]
) -> None:
    content = admin_client.get(reverse(page)).content.decode()

    heading = re.sub(r"<[^>]*>", " ", re.findall(r"(?s)<h1.*?</h1>", content)[0])
    assert [word for word in heading.split() if word != "chevron_right"][:2] == names


def test_l7_page_beside_a_list_ends_with_its_title(admin_client: Client) -> None:
    product = ProductFactory.create(name="Pink Kush")

    content = admin_client.get(
        reverse("admin:catalog_product_change", args=[product.pk])
    ).content.decode()

    heading = re.findall(r"(?s)<h1.*?</h1>", content)[0]
    assert f'href="{reverse("admin:catalog_product_changelist")}"' in heading
    assert "Pink Kush" in heading


def test_role_that_staff_changed_is_not_reset_by_a_migration() -> None:
    Group.objects.get(name="Auditor").permissions.clear()

    install_roles()

    assert not Group.objects.get(name="Auditor").permissions.exists()


def test_reset_gives_a_role_its_permissions_again() -> None:
    Group.objects.get(name="Auditor").permissions.clear()

    (change,) = [c for c in install_roles(reset=True) if c.added or c.removed]

    assert change.role == "Auditor"
    assert not change.is_new
    assert Group.objects.get(name="Auditor").permissions.count() == len(change.added)


def test_dry_run_changes_no_role() -> None:
    Group.objects.get(name="Auditor").delete()

    changes = install_roles(dry_run=True)

    assert [(change.role, change.is_new) for change in changes] == [("Auditor", True)]
    assert not Group.objects.filter(name="Auditor").exists()


def test_later_patterns_take_permissions_away() -> None:
    permissions = ["a.view_x", "a.delete_x", "b.view_x"]

    assert matching(["a.*", "!*.delete_*"], permissions) == {"a.view_x"}
    assert matching(["!a.*", "a.view_x"], permissions) == {"a.view_x"}


def test_refused_page_names_the_permission_in_the_frame_of_the_console() -> None:
    client = _client(_user("Pricing"))

    response = client.get("/console/catalog/catalogsource/")

    assert response.status_code == 403
    assert "Can view source" in response.content.decode()
    assert 'id="nav-sidebar' in response.content.decode()


def test_unknown_address_of_the_console_is_a_page() -> None:
    response = _client(_user("Auditor")).get("/console/nope/")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    assert 'id="nav-sidebar' in response.content.decode()


def test_unknown_address_elsewhere_is_a_problem_document() -> None:
    response = Client().get("/nope/")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
