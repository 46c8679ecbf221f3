"""
Structured data of web pages by schema.org: JSON-LD, microdata and RDFa as one kind of node.

extruct reads the three syntaxes; a page is only searched for RDFa when it has some. References by
`@id` are followed. Broken JSON-LD is an error when it mentions offers: prices may be missing then.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parsel import Selector

from competitors.ingest.platforms.reading import listing, text
from mlops.pipelines.errors import SourceBroken

_PREFIX = re.compile(r"^(?:https?://(?:www\.)?schema\.org/|schema:)", re.IGNORECASE)
_MENTIONS_OFFERS = re.compile(r"\b(?:Product|Offer|price)\b")
_CDATA_START = re.compile(r"\A(?://|/\*)? ?<!\[CDATA\[(?: ?\*/)?")
_CDATA_END = re.compile(r";?\s*(?:(?://|/\*)? ?\]\]>(?: ?\*/)?)?\Z")
_MAX_CDATA_END = 20
_MAX_DEPTH = 30
_NESTED_TOO_DEEPLY = f"boolean(//*[@itemscope][count(ancestor::*[@itemscope]) > {_MAX_DEPTH}])"
# Properties that lead to other things than those which the page sells.
_UNRELATED = frozenset(
    {
        "isRelatedTo",
        "isSimilarTo",
        "isAccessoryOrSparePartFor",
        "isConsumableFor",
        "isVariantOf",
        "itemReviewed",
        "review",
        "reviews",
        "mentions",
        "subjectOf",
    }
)


@dataclass(eq=False, slots=True)
class Node:
    """
    A thing of a page.

    types, properties: names without the address of the vocabulary. Values of properties are texts,
    numbers, truth values and nodes; nodes may refer to each other in a circle.
    """

    types: frozenset[str]
    properties: dict[str, list[Any]] = field(default_factory=dict)
    id: str = ""

    def values(self, *names: str) -> Iterator[Any]:
        """Yield the values of properties."""
        for name in names:
            yield from self.properties.get(name, ())

    def nodes(self, *names: str) -> Iterator["Node"]:
        """Yield the values of properties that are nodes."""
        return (value for value in self.values(*names) if isinstance(value, Node))

    def texts(self, *names: str) -> list[str]:
        """Return the different texts of properties; of a node its name or value."""
        found: list[str] = []
        for value in self.values(*names):
            if isinstance(value, Node):
                found += map(text, value.values("name", "value"))
            else:
                found.append(text(value))
        return list(dict.fromkeys(filter(None, found)))

    def text(self, *names: str) -> str:
        """Return the first text of properties."""
        return next(iter(self.texts(*names)), "")


def read_nodes(body: str, url: str, selector: Selector) -> list[Node]:
    """
    Return the things of a page, JSON-LD before the other syntaxes; those inside others last.

    Raises SourceBroken: JSON-LD that mentions offers is not JSON; things are nested too deeply.
    """
    items = _json_ld(selector)
    lowered = body.lower()
    if "itemscope" in lowered:
        # extruct reads the inside of a thing again for each thing around it.
        if selector.xpath(_NESTED_TOO_DEEPLY).get() == "1":
            raise SourceBroken("Structured data of the page are nested too deeply.")
        items += _extract(body, url, "microdata")
    if "typeof=" in lowered:
        items += _extract(body, url, "rdfa")
    builder = _Builder(items)
    built = (builder.build(item) for item in items if isinstance(item, dict))
    # Items with one id are one node.
    nodes = list(dict.fromkeys(built))
    inner = {id(value) for node in nodes for value in _inner_nodes(node)}
    return sorted(nodes, key=lambda node: id(node) in inner)


def walk(nodes: Sequence[Node]) -> Iterator[tuple[Node, Node | None]]:
    """Yield each node once with the node it stands in; none that is merely related."""
    stack: list[tuple[Node, Node | None]] = [(node, None) for node in reversed(nodes)]
    seen: set[int] = set()
    while stack:
        node, parent = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node, parent
        stack.extend((value, node) for value in reversed(list(_inner_nodes(node))))


def _inner_nodes(node: Node) -> Iterator[Node]:
    return node.nodes(*(name for name in node.properties if name not in _UNRELATED))


def _json_ld(selector: Selector) -> list[Any]:
    # Half a second to import, which web processes need not spend.
    from extruct.jsonld import JsonLdExtractor

    items: list[Any] = []
    for script in selector.xpath('//script[contains(@type, "ld+json")]'):
        content = _unwrap("".join(script.xpath("text()").getall()))
        markup = f'<script type="application/ld+json">{content}</script>'
        try:
            found = JsonLdExtractor().extract(markup)
        except (ValueError, RecursionError) as error:
            if _MENTIONS_OFFERS.search(content):
                raise SourceBroken("Structured data of the page are not JSON.") from error
            continue
        items += _expand(found)
    return items


def _unwrap(content: str) -> str:
    """Return JSON without byte order mark, CDATA section and semicolon around it."""
    content = _CDATA_START.sub("", content.strip("\ufeff \t\r\n"), count=1)
    start, end = content[:-_MAX_CDATA_END], content[-_MAX_CDATA_END:]
    return start + _CDATA_END.sub("", end)


def _expand(items: Sequence[Any]) -> list[Any]:
    """Return items, and those of their graphs in place of the graphs."""
    expanded: list[Any] = []
    stack = list(reversed(items))
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict) and "@graph" in item:
            stack.append({key: value for key, value in item.items() if key != "@graph"})
            stack.append(item["@graph"])
        elif isinstance(item, dict):
            expanded.append(item)
    return expanded


def _extract(body: str, url: str, syntax: str) -> list[Any]:
    import extruct

    found = extruct.extract(body, base_url=url, syntaxes=[syntax], errors="ignore")
    return list(listing(found.get(syntax)))


class _Builder:
    """Builds one node for each id: what several items state of it is put together."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = _index(items)
        self._nodes: dict[str, Node] = {}
        self._read: set[int] = set()
        self._referenced: list[str] = []

    def build(self, item: Mapping[str, Any]) -> Node:
        """Return the node of an item, with all nodes that it leads to."""
        node = self._build(item, 0)
        while self._referenced:
            reference = self._referenced.pop()
            for found in self._items.get(reference, ()):
                self._build(found, 0)
        return node

    def _build(self, item: Mapping[str, Any], depth: int) -> Node:
        reference = _reference(item)
        node = self._nodes.get(reference) or Node(types=frozenset(), id=reference)
        if reference and reference not in self._nodes:
            self._nodes[reference] = node
            self._referenced.append(reference)
        if id(item) in self._read:
            return node
        self._read.add(id(item))
        node.types |= _types(item)
        properties = item.get("properties")
        if not isinstance(properties, dict):
            properties = {key: value for key, value in item.items() if key[:1] != "@"}
        for key, value in properties.items():
            values = self._values(value, depth + 1)
            node.properties.setdefault(_PREFIX.sub("", key), []).extend(values)
        return node

    def _values(self, value: Any, depth: int) -> Iterator[Any]:
        if isinstance(value, list):
            for entry in value:
                yield from self._values(entry, depth)
        elif isinstance(value, dict):
            if "@value" in value:
                yield value["@value"]
            elif "@list" in value:
                yield from self._values(value["@list"], depth)
            elif depth < _MAX_DEPTH:
                yield self._build(value, depth)
        elif value is not None and value != "":
            yield value


def _index(items: Sequence[Any]) -> Mapping[str, list[Mapping[str, Any]]]:
    """Return the items by id that state more than it, also those inside others."""
    index: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    stack: list[tuple[Any, int]] = [(item, 0) for item in reversed(items)]
    while stack:
        item, depth = stack.pop()
        if depth > _MAX_DEPTH:
            continue
        if isinstance(item, list):
            stack.extend((entry, depth + 1) for entry in reversed(item))
        elif isinstance(item, dict):
            if len(item) > 1 and (reference := _reference(item)):
                index[reference].append(item)
            stack.extend((value, depth + 1) for value in item.values())
    return index


def _reference(item: Mapping[str, Any]) -> str:
    return text(item.get("@id")) or (text(item.get("id")) if "properties" in item else "")


def _types(item: Mapping[str, Any]) -> frozenset[str]:
    types = item.get("@type") or (item.get("type") if "properties" in item else None) or []
    names = types if isinstance(types, list) else [types]
    return frozenset(_PREFIX.sub("", text(name)) for name in names)
