"""Lineage as a graph of links: raw files, listings, products, vectors, and what others register."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.lineage import FieldTrace, RawRecordTrace
from catalog.models import Product, SupplierListing
from mlops.models import RawRecord, Run
from vectors.selectors import serving_vectors_of

_WIDTH, _HEIGHT = 200, 56
_GAP_X, _GAP_Y = 56, 16
_HEADING = 28
_MAX_TEXT = 26
_MAX_ROWS = 12
"""Nodes of a column; more are counted in a last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """
    A thing that data came from or went to.

    key: distinguishes it in its graph. permission: to open its page; url: empty without a page.
    """

    key: str
    title: str
    detail: str = ""
    url: str = ""
    permission: str = ""


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node with the position of its upper left corner, in pixels; url: empty without a link."""

    title: str
    detail: str
    url: str
    x: int
    y: int

    @property
    def text_x(self) -> int:
        """Left end of the text."""
        return self.x + 12


@dataclass(slots=True)
class Graph:
    """
    Columns of nodes from left to right, and edges between their keys.

    Add nodes and edges, then read headings, nodes and paths with their positions.
    """

    user: Any
    columns: list[tuple[str, list[Node]]] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add_column(self, heading: str, nodes: Iterable[Node]) -> None:
        """Add a column with the distinct nodes, in order; none if there are no nodes."""
        distinct = list({node.key: node for node in nodes}.values())
        if len(distinct) > _MAX_ROWS:
            rest = _("%(count)s more") % {"count": len(distinct) - _MAX_ROWS + 1}
            distinct = [*distinct[: _MAX_ROWS - 1], Node(key=f"rest:{heading}", title=rest)]
        if distinct:
            self.columns.append((heading, distinct))

    @property
    def width(self) -> int:
        """Width in pixels."""
        return max(0, len(self.columns) * (_WIDTH + _GAP_X) - _GAP_X)

    @property
    def height(self) -> int:
        """Height in pixels."""
        rows = max((len(nodes) for _heading, nodes in self.columns), default=0)
        return _HEADING + rows * (_HEIGHT + _GAP_Y)

    @property
    def node_width(self) -> int:
        """Width of a node."""
        return _WIDTH

    @property
    def node_height(self) -> int:
        """Height of a node."""
        return _HEIGHT

    @property
    def headings(self) -> list[tuple[str, int]]:
        """Heading and left end of each column."""
        return [
            (heading, number * (_WIDTH + _GAP_X))
            for number, (heading, _nodes) in enumerate(self.columns)
        ]

    @property
    def nodes(self) -> list[PlacedNode]:
        """Nodes with their positions, and with links that the user may open."""
        return [
            PlacedNode(
                _shortened(node.title),
                _shortened(node.detail),
                node.url if self.user.has_perm(node.permission) else "",
                x,
                y,
            )
            for node, x, y in self._positions()
        ]

    @property
    def paths(self) -> list[str]:
        """Edges between nodes that are shown, as SVG paths."""
        corners = {node.key: (x, y + _HEIGHT // 2) for node, x, y in self._positions()}
        return [
            f"M{start_x + _WIDTH} {start_y}C{start_x + _WIDTH + _GAP_X // 2} {start_y}"
            f" {end_x - _GAP_X // 2} {end_y} {end_x} {end_y}"
            for start, end in dict.fromkeys(self.edges)
            if start in corners and end in corners
            for start_x, start_y in [corners[start]]
            for end_x, end_y in [corners[end]]
        ]

    def _positions(self) -> Iterable[tuple[Node, int, int]]:
        for column, (_heading, nodes) in enumerate(self.columns):
            for row, node in enumerate(nodes):
                yield node, column * (_WIDTH + _GAP_X), _HEADING + row * (_HEIGHT + _GAP_Y)


DescribeUse = Callable[[Product], Node]
_uses: list[DescribeUse] = []


def register(describe: DescribeUse) -> DescribeUse:
    """Register a function that describes what uses a product, as its last column; a decorator."""
    _uses.append(describe)
    return describe


def graph_of_field(trace: FieldTrace, user: Any) -> Graph:
    """Return the graph from the raw files of a field to what uses the product."""
    graph = Graph(user)
    origins = trace.origins
    raw_records = [(raw.record, origin) for origin in origins for raw in origin.raw_records]
    runs = [(origin.run, origin) for origin in origins if origin.run]
    graph.add_column(_("Raw files"), [_raw_node(record) for record, _origin in raw_records])
    graph.add_column(_("Runs"), [_run_node(run) for run, _origin in runs])
    graph.add_column(
        _("Listings"), [_listing_node(origin.listing, origin.values) for origin in origins]
    )
    graph.edges += [(f"raw:{record.pk}", f"run:{record.run_id}") for record, _origin in raw_records]
    graph.edges += [(f"run:{run.pk}", f"listing:{origin.listing.pk}") for run, origin in runs]
    graph.edges += [
        (f"listing:{origin.listing.pk}", f"product:{trace.product.pk}") for origin in origins
    ]
    _add_products(graph, [trace.product])
    return graph


def graph_of_raw_record(trace: RawRecordTrace, user: Any) -> Graph:
    """Return the graph from a raw file to the products that were read from it."""
    graph = Graph(user)
    record = trace.record
    graph.add_column(_("Raw files"), [_raw_node(record)])
    graph.add_column(_("Runs"), [_run_node(record.run)])
    graph.edges.append((f"raw:{record.pk}", f"run:{record.run_id}"))
    listings = [listing for listing, _is_last_writer in trace.listings]
    graph.add_column(_("Listings"), [_listing_node(listing) for listing in listings])
    by_key = {product.merge_key: product for product in trace.products}
    for listing in listings:
        graph.edges.append((f"run:{record.run_id}", f"listing:{listing.pk}"))
        if listing.merge_key in by_key:
            product = by_key[listing.merge_key]
            graph.edges.append((f"listing:{listing.pk}", f"product:{product.pk}"))
    _add_products(graph, trace.products)
    return graph


def _add_products(graph: Graph, products: list[Product]) -> None:
    """Add columns of the products and of what uses the first ones."""
    graph.add_column(
        _("Products"),
        [
            Node(
                key=f"product:{product.pk}",
                title=product.name,
                detail=product.brand or "",
                url=reverse("admin:catalog_product_change", args=[product.pk]),
                permission="catalog.view_product",
            )
            for product in products
        ],
    )
    uses = []
    for product in products[:1] if len(products) == 1 else []:
        uses = [*_vector_nodes(product), *(describe(product) for describe in _uses)]
        graph.edges += [(f"product:{product.pk}", node.key) for node in uses]
    graph.add_column(_("Used by"), uses)


def _vector_nodes(product: Product) -> Iterable[Node]:
    for vector in serving_vectors_of(product.pk):
        yield Node(
            key=f"vector:{vector.pk}",
            title=_("Vector of %(collection)s") % {"collection": vector.index.collection},
            detail=f"{vector.indexed_at:%Y-%m-%d %H:%M}",
            url=reverse("admin:vectors_vectorindex_change", args=[vector.index.pk]),
            permission="vectors.view_vectorindex",
        )


def _raw_node(record: RawRecord) -> Node:
    return Node(
        key=f"raw:{record.pk}",
        title=f"{record.bundle} {record.role}",
        detail=record.content_hash[:12],
        url=reverse("admin:mlops_rawrecord_change", args=[record.pk]),
        permission="mlops.view_rawrecord",
    )


def _run_node(run: Run) -> Node:
    return Node(
        key=f"run:{run.pk}",
        title=run.source,
        detail=f"{run.started_at:%Y-%m-%d %H:%M}",
        url=reverse("admin:mlops_run_change", args=[run.pk]),
        permission="mlops.view_run",
    )


def _listing_node(listing: SupplierListing, detail: str = "") -> Node:
    return Node(
        key=f"listing:{listing.pk}",
        title=listing.name,
        detail=detail or f"{listing.source} {listing.external_id}",
        url=reverse("admin:catalog_supplierlisting_change", args=[listing.pk]),
        permission="catalog.view_supplierlisting",
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
