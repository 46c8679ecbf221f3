"""Access to pages: limited users, French, the keyboard, narrow screens."""

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Product, ProductLock
from tests.browser.conftest import OpenConsole
from tests.factories.catalog import ProductFactory
from tests.integration.catalog.test_corrections import import_listings, make_listing


def _limited_user(*codenames: str) -> User:
    user = User.objects.create_user("limited", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def test_limited_user_is_offered_only_pages_that_open(open_console: OpenConsole) -> None:
    console = open_console(_limited_user("view_product", "view_supplierlisting", "view_store"))

    console.open("index")
    links = console.page.locator("nav li a, main a").evaluate_all("all => all.map(a => a.href)")
    statuses = {link: console.page.request.get(link).status for link in set(links)}

    assert f"{console.base_url}{reverse('admin:catalog_product_changelist')}" in statuses
    assert set(statuses.values()) == {200}
    assert not [link for link in links if "/mlops/" in link or "/customers/" in link]


def test_refused_page_names_its_permission_in_the_frame_of_the_console(
    open_console: OpenConsole,
) -> None:
    console = open_console(_limited_user("view_product"))

    response = console.open("mlops_run_changelist")
    console.faults.clear()

    assert response.status == 403
    assert "Can view run" in console.text
    assert console.page.get_by_role("navigation").get_by_text("Products", exact=True).count() == 1


def test_product_is_corrected_and_locked_in_french(open_console: OpenConsole) -> None:
    import_listings(make_listing(merge_key="gtin:1"))
    product = Product.objects.get()
    console = open_console(language="fr")

    console.open("catalog_product_change", product.pk)
    console.fill("Prix, $", "27.45")
    console.fill("Motif", "étiquette de tablette")
    console.click("Enregistrer et continuer les modifications")

    assert console.page.locator("html").get_attribute("lang") == "fr"
    assert str(Product.objects.get().price) == "27.45"
    assert ProductLock.objects.get().reason == "étiquette de tablette"


def test_keyboard_skips_the_navigation(open_console: OpenConsole) -> None:
    console = open_console()

    console.open("index")
    console.page.keyboard.press("Tab")
    name = console.page.evaluate("document.activeElement.textContent")
    console.page.keyboard.press("Enter")

    assert name == "Skip to the content"
    expect(console.page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_group_of_the_navigation_opens_by_key(open_console: OpenConsole, key: str) -> None:
    console = open_console()

    console.open("index")
    group = console.page.get_by_role("button", name="Catalogue")
    group.press(key)

    expect(group).to_have_attribute("aria-expanded", "true")
    expect(console.page.get_by_role("link", name="Supplier listings")).to_be_visible()


def test_only_the_open_page_is_marked_in_the_navigation(open_console: OpenConsole) -> None:
    ProductFactory.create()
    console = open_console()

    console.open("catalog_searchweights_playground")

    marked = console.page.locator("nav a[aria-current=page]").all_inner_texts()
    assert [text.splitlines()[-1] for text in marked] == ["Search playground"]


def test_user_menu_opens_by_key_and_switches_the_language(open_console: OpenConsole) -> None:
    console = open_console()

    console.open("index")
    console.page.locator("[aria-controls=user-menu]").press("Enter")
    console.page.locator("#user-menu").get_by_role("button", name="français").click()

    expect(console.page.locator("html")).to_have_attribute("lang", "fr")


def test_list_is_a_table_on_a_narrow_screen(open_console: OpenConsole) -> None:
    products = ProductFactory.create_batch(3)
    console = open_console()
    console.page.set_viewport_size({"width": 900, "height": 700})

    console.open("catalog_product_changelist")

    rows = console.page.locator("#result_list tbody tr")
    assert rows.count() == len(products)
    assert max(box["height"] for box in (row.bounding_box() for row in rows.all()) if box) < 100
    assert console.page.locator("#result_list thead").is_visible()
