"""The two walks of docs/architecture.md: modules in the order of the lists, none entered twice."""

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from types import FrameType
from typing import Any

import pytest

from catalog.ingest.strains import _StrainCache
from catalog.models import CatalogSource
from catalog.tasks import sync_source
from config.cache.invalidation import is_listening
from config.embedded.stack import ROOT
from customers.recommendations.cache import RECOMMENDATION_CACHE
from mlops.models import Run
from tests.factories.catalog import StoreFactory, create_products
from tests.factories.config import create_api_client
from tests.factories.customers import CustomerFactory, rank_by_popularity, record_purchases
from tests.polling import wait_until
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)
_PACKAGES = ("biometrics", "catalog", "competitors", "config", "customers", "mlops", "vectors")
_IMPORT = "<module>"
_REGISTRATION = "config/declarations.py"


class Walk:
    """
    The modules of the project that a traced call enters.

    modules: by the time of the first entry. A module is entered when one of its functions is
    called from another module; imports do not count.
    reentries: functions of a module that another module called while the first one was running,
    unless the function is one that only the module itself can have passed: a nested function, a
    lambda or a generator.
    """

    def __init__(self) -> None:
        self.modules: list[str] = []
        self.reentries: set[str] = set()
        self._active: list[str] = []
        self._modules_by_file: dict[str, str] = {}

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Record the calls of this thread."""
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event not in ("call", "return"):
            return
        module = self._module_of(frame.f_code.co_filename)
        if not module:
            return
        if event == "return":
            if self._active:  # else the frame was entered before the trace began
                self._active.pop()
        elif frame.f_code.co_name == _IMPORT:
            self._active.append(_IMPORT)
        else:
            if _IMPORT not in self._active:
                self._record(module, frame)
            self._active.append(module)

    def _record(self, module: str, frame: FrameType) -> None:
        if self._active and self._active[-1] == module:
            return
        if module not in self.modules:
            self.modules.append(module)
        if module in self._active and module != _REGISTRATION and not _is_passed(frame):
            caller = self._active[-1]
            self.reentries.add(f"{caller} calls {frame.f_code.co_qualname} of {module}")

    def _module_of(self, file: str) -> str:
        """Return the path of a module of the project, else an empty string."""
        if file not in self._modules_by_file:
            path = file.removeprefix(f"{ROOT}/")
            self._modules_by_file[file] = path if path.startswith(_PACKAGES) else ""
        return self._modules_by_file[file]


@pytest.fixture(autouse=True)
def _empty_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty the caches of the catalogue, so that the walk is the same after other tests."""
    monkeypatch.setattr(_StrainCache, "names", None)
    for name, module in list(sys.modules.items()):
        if name.startswith("catalog."):
            for value in list(vars(module).values()):
                if clear := getattr(value, "cache_clear", None):
                    clear()


def _is_passed(frame: FrameType) -> bool:
    """Return whether the function exists only as a value that its module has passed."""
    code = frame.f_code
    is_generator = bool(code.co_flags & inspect.CO_GENERATOR)
    return is_generator or "<locals>" in code.co_qualname or "<lambda>" in code.co_qualname


def documented_walk(heading: str) -> list[str]:
    """Return the modules of the numbered list in a section of docs/architecture.md, in order."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    items = re.search(r"^1\. .*?(?=\n\n)", section, re.DOTALL | re.MULTILINE)
    assert items is not None
    names = re.findall(r"`([\w/.]+)`(?!\))", items.group())
    modules: list[str] = []
    for name in names:
        path = PurePosixPath(name).with_suffix(".py")
        is_full = len(path.parts) > 1
        modules.append(str(path if is_full else PurePosixPath(modules[-1]).with_name(path.name)))
    return modules


def assert_walk_as_documented(walk: Walk, heading: str) -> None:
    """Compare the order of first entries, and require that no module was entered twice."""
    documented = documented_walk(heading)
    assert len(documented) > 10
    assert [module for module in walk.modules if module in documented] == documented
    assert walk.reentries == set()


def test_sync_of_a_source_enters_the_modules_of_the_documented_walk(
    supplier: SampleSupplier,
) -> None:
    CatalogSource.objects.filter(code="aglc").update(base_url=f"{supplier.url}/aglc")
    walk = Walk()

    with walk.traced():
        sync_source(code="aglc")

    assert Run.objects.get().new > 0
    assert_walk_as_documented(walk, "One listing, from feed to product")


def test_recommendation_request_enters_the_modules_of_the_documented_walk() -> None:
    store = StoreFactory.create(code="queen-west")
    products = create_products(8, store)
    rank_by_popularity(products, store=store)
    customer = CustomerFactory.create(verified=True, consenting=True)
    record_purchases(customer, products[0], store=store, times=6)
    path = f"/api/v1/recommendations/{customer.pk}?store_code=queen-west"
    # The first request imports the URL configuration and connects the change listener.
    assert create_api_client("verified").get(path).status_code == 200
    wait_until(is_listening, 20)
    client = create_api_client("verified")
    RECOMMENDATION_CACHE.clear_local()
    walk = Walk()

    with walk.traced():
        response = client.get(path)

    assert len(response.json()["results"]) > 0
    assert_walk_as_documented(walk, "One recommendation request")
