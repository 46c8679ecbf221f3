"""Journeys of machine learning: deploy and roll back a model, edit a scenario, explain."""

from customers.models import Scenario
from customers.reference.weights import DEFAULT_WEIGHTS
from mlops.models import Deployment, ModelVersion
from tests.browser.conftest import OpenConsole
from tests.browser.console import BrowserConsole
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.customers import ProductPopularityFactory
from tests.factories.registry import ModelVersionFactory


def _act(console: BrowserConsole, version: ModelVersion, *actions: str) -> None:
    """Do actions on the page of a version, each with a reason."""
    for action in actions:
        console.open("mlops_modelversion_change", version.pk)
        console.click(action)
        console.page.locator("[name=reason]").fill("reviewed")
        console.submit()


def test_model_is_deployed_and_rolled_back(open_console: OpenConsole) -> None:
    first, second = ModelVersionFactory.create(), ModelVersionFactory.create()
    console = open_console()

    _act(console, first, "Approve", "Deploy")
    _act(console, second, "Approve", "Deploy")
    deployed = Deployment.objects.get(ended_at=None).version
    _act(console, second, "Roll back")

    assert deployed == second
    assert Deployment.objects.get(ended_at=None).version == first


def test_scenario_is_previewed_saved_and_explained(open_console: OpenConsole) -> None:
    store = StoreFactory.create(code="queen-west", name="Queen West")
    product = ProductFactory.create(name="Blue Dream", stores=(store,))
    ProductPopularityFactory.create(store=store, product=product)
    Scenario.objects.update_or_create(
        name="home",
        defaults={"title_en": "For you", "title_fr": "Pour vous", **DEFAULT_WEIGHTS["home"]},
    )
    console = open_console()

    console.open("customers_scenario_change", "home")
    console.page.locator("[name=popularity]").fill("0.9")
    console.page.locator("[name=sample-store]").select_option(str(store.pk))
    console.press("Preview")
    preview = console.page.locator("#preview table").first.inner_text()
    saved_before = Scenario.objects.get(name="home").popularity
    console.click("Save and continue editing")
    console.open("customers_scenario_explain")
    console.page.locator("[name=product]").fill("Blue Dream")
    console.page.locator("[name=store]").select_option(str(store.pk))
    console.click("Explain")

    assert "Blue Dream" in preview
    assert (saved_before, Scenario.objects.get(name="home").popularity) == (
        DEFAULT_WEIGHTS["home"]["popularity"],
        0.9,
    )
    assert "Recommended at rank 1" in console.text
    assert "popularity" in console.text
