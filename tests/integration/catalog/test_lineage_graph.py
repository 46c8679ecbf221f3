"""Lineage graph: nodes that can be clicked through, from raw file to recommendation."""

from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from catalog.admin.lineage_graph import Graph, Node
from catalog.models import Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from customers.models import Recommendation
from mlops.models import RawRecord, Run
from mlops.pipelines.runner import run_source
from tests.samples.suppliers.server import SampleSupplier
from vectors.models import IndexedVector, VectorIndex


class _Everyone:
    def has_perm(self, _name: str) -> bool:
        return True


@pytest.fixture
def run(supplier: SampleSupplier) -> Run:
    """Return a run of a source."""
    return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")


def _links(client: Client, url: str) -> dict[str, str]:
    """Return the title of each node by its address."""
    page = client.get(url).content.decode()
    markup = page[page.index("<svg width") : page.index("</svg>", page.index("<svg width")) + 6]
    svg = ElementTree.fromstring(markup)
    return {link.get("href", ""): link.findtext("text") or "" for link in svg.iter("a")}


@pytest.mark.django_db(transaction=True)
def test_nodes_lead_from_the_raw_file_to_the_recommendations(
    admin_client: Client, run: Run
) -> None:
    product = Product.objects.order_by("name", "pk")[0]
    listing = SupplierListing.objects.filter(merge_key=product.merge_key).order_by("pk")[0]
    index = VectorIndex.objects.create(
        collection="products", physical_name="products_1", dimension=8, status="serving"
    )
    IndexedVector.objects.create(index=index, entity_id=product.pk, vector=b"")
    Recommendation.objects.create(scenario="home", model_version="1", products=[product.pk])

    links = _links(admin_client, reverse("admin:catalog_product_lineage", args=[product.pk]))

    raw = RawRecord.objects.filter(run=run, bundle=listing.bundle).order_by("role")[0]
    assert {
        reverse("admin:mlops_rawrecord_change", args=[raw.pk]),
        reverse("admin:mlops_run_change", args=[run.pk]),
        reverse("admin:catalog_supplierlisting_change", args=[listing.pk]),
        reverse("admin:catalog_product_change", args=[product.pk]),
        reverse("admin:vectors_vectorindex_change", args=[index.pk]),
        reverse("admin:customers_scenario_explain"),
    } <= links.keys()


@pytest.mark.django_db(transaction=True)
def test_raw_record_leads_to_its_products(admin_client: Client, run: Run) -> None:
    listing = SupplierListing.objects.filter(run=run).order_by("pk")[0]
    raw = RawRecord.objects.filter(run=run, bundle=listing.bundle).order_by("role")[0]
    listings = SupplierListing.objects.filter(run=run, bundle=listing.bundle)
    keys = listings.values_list("merge_key", flat=True)
    product = Product.objects.filter(merge_key__in=list(keys)).order_by("name")[0]

    links = _links(admin_client, reverse("admin:catalog_product_raw_lineage", args=[raw.pk]))

    assert reverse("admin:catalog_product_change", args=[product.pk]) in links


@pytest.mark.django_db(transaction=True)
def test_node_without_permission_has_no_link(client: Client, run: Run) -> None:
    user = User.objects.create_user("colette", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_product"))
    client.force_login(user)
    product = Product.objects.order_by("name", "pk")[0]

    links = _links(client, reverse("admin:catalog_product_lineage", args=[product.pk]))

    assert list(links) == [reverse("admin:catalog_product_change", args=[product.pk])]


def _graph(*columns: list[Node]) -> Graph:
    graph = Graph(_Everyone())
    for number, nodes in enumerate(columns):
        graph.add_column(f"column {number}", nodes)
    return graph


def test_edge_runs_from_right_end_to_left_end_of_its_nodes() -> None:
    graph = _graph([Node(key="a", title="A")], [Node(key="b", title="B")])
    graph.edges.append(("a", "b"))

    start, end = graph.nodes

    (path,) = graph.paths
    middle = start.y + graph.node_height // 2
    assert path.startswith(f"M{start.x + graph.node_width} {middle}C")
    assert path.endswith(f" {end.x} {middle}")


def test_long_column_is_shortened_and_its_edges_are_left_out() -> None:
    graph = _graph([Node(key=f"{n}", title=f"{n}") for n in range(30)], [Node(key="b", title="B")])
    graph.edges += [("0", "b"), ("29", "b")]

    shown = [node.title for node in graph.nodes]

    assert shown[-2] == "19 more"
    assert len(shown) == 13
    assert len(graph.paths) == 1


@pytest.mark.parametrize("title", ["x" * 100, "Pink Kush"])
def test_title_fits_its_node(title: str) -> None:
    (node,) = _graph([Node(key="a", title=title)]).nodes

    assert len(node.title) <= 26
    assert node.title[:9] == title[:9]


def test_same_thing_is_one_node() -> None:
    run: Any = Node(key="run", title="ocs")

    assert len(_graph([run, run]).nodes) == 1
