"""Feeds with the quirks of suppliers' files: no row is lost, every value is right or open."""

import io

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from catalog.models import CatalogSource
from catalog.pipelines import SUPPLIER_PRODUCTS
from mlops.models import Run
from mlops.pipelines.runner import run_source
from tests.samples.quirky_feed import MAPPING, QuirkyFeed
from tests.samples.quirky_truth import QuirkReport, compare_with_truth

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 3_000
Result = tuple[QuirkyFeed, Run, QuirkReport]


@pytest.fixture(params=[",", ";"])
def result(request: pytest.FixtureRequest) -> Result:
    """A feed in this delimiter, its run, and what became of its rows."""
    feed = QuirkyFeed(size=SIZE, delimiter=request.param)
    file = io.BytesIO()
    feed.write(file)
    name = default_storage.save("lists/quirky.csv", ContentFile(file.getvalue()))
    CatalogSource.objects.create(
        pk="quirky", label="Quirky", kind="sheet", file=name, mapping=MAPPING
    )
    run = run_source(SUPPLIER_PRODUCTS, code="quirky")
    return feed, run, compare_with_truth(source="quirky", run=run, truths=feed.truths)


def test_every_row_of_a_quirky_feed_is_accounted_for_and_no_value_is_wrong(result: Result) -> None:
    feed, run, report = result

    assert run.read == len(feed.truths) == run.new + run.rejected + run.repeated
    assert report.unaccounted == 0, report.examples
    assert (report.total("wrong"), report.total("missed")) == (0, 0), report.examples


def test_quirky_feed_is_the_same_for_the_same_seed() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        QuirkyFeed(size=200).write(file)

    assert files[0].getvalue() == files[1].getvalue()
