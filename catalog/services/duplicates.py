"""Which products are one: found, decided, merged, and taken apart again with what they were."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, Field, OuterRef, Q
from django.utils import timezone

from catalog.ingest.matching import VERSION, Candidate, Comparison, best_of, brand_block, compare
from catalog.models import MatchDecision, Product, ProductAlias, ProductLock, SupplierListing
from catalog.services.field_merge import FACTS
from catalog.services.locks import bring_locks
from catalog.services.merging import hold_products, merge_products, products_apart, write_documents
from catalog.services.stock import bring_counts, stores_to_bring, take_back_counts
from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation

BATCH = 1_000
Verdict = MatchDecision.Verdict
Kind = Operation.Kind


class MergeRefused(CultivarError):
    """The two cannot be merged, or taken apart, as things stand."""

    code = "merge-refused"


@dataclass(slots=True)
class Matched:
    """What a matching found among the products that were due."""

    compared: int = 0
    merged: int = 0
    asked: int = 0


def match_products(
    *, limit: int | None = None, on_batch: Callable[[int], None] = lambda _count: None
) -> Matched:
    """
    Compare every product that is new, has changed, or was compared by another version, with those of its brand.

    What is the same is merged, what may be is put before a person; what a person has decided is left alone. Safe to
    repeat and to run twice at once.
    """
    matched = Matched()
    _reconsider()
    while limit is None or matched.compared < limit:
        size = BATCH if limit is None else min(BATCH, limit - matched.compared)
        with operation(Kind.MATCH):
            count = _match_batch(size, matched)
        if not count:
            break
        matched.compared += count
        on_batch(count)
    return matched


def rehearse_matching(*, on_batch: Callable[[int], None] = lambda _count: None) -> Matched:
    """Match all that is due in a transaction that is undone; return the counts."""
    with transaction.atomic():
        matched = match_products(on_batch=on_batch)
        transaction.set_rollback(True)
    return matched


def count_due() -> int:
    """Return how many products await matching."""
    return int(_due().count())


def decide(*, decision: MatchDecision, verdict: str, by: AbstractBaseUser | None) -> None:
    """Note what a person says of two products, and make them one or two. Raises MergeRefused."""
    with (
        operation(Kind.MERGE if verdict == Verdict.SAME else Kind.UNMERGE, actor=by),
        connection.cursor() as cursor,
    ):
        hold_products(cursor)
        _carry_out(decision, verdict)
        _note(decision, verdict, by)


def _carry_out(decision: MatchDecision, verdict: str) -> None:
    if verdict == Verdict.SAME:
        if not ProductAlias.objects.filter(decision=decision).exists():
            _merge(decision)
    else:
        alias = ProductAlias.objects.filter(decision=decision).first()
        if alias:
            _unmerge(alias)


@transaction.atomic
def merge_pair(*, left: Product, right: Product, by: AbstractBaseUser) -> MatchDecision:
    """Make one product of two because a person says so. Raises MergeRefused."""
    decision = _decision_of(
        left.merge_key, right.merge_key, Comparison(100, "same", ("a person's word",))
    )
    decide(decision=decision, verdict=Verdict.SAME, by=by)
    return decision


@transaction.atomic
def unmerge(*, product: Product, by: AbstractBaseUser) -> None:
    """Make a merged product stand for itself again, as it was; the two are not asked about again. Raises MergeRefused."""
    alias = (
        ProductAlias.objects.select_related("decision").filter(merge_key=product.merge_key).first()
    )
    if alias is None or product.merged_into is None:
        raise MergeRefused(f"{product.name} is not merged into another product.")
    decide(decision=alias.decision, verdict=Verdict.DIFFERENT, by=by)


def _due() -> Any:
    return Product.objects.current().exclude(matched_with=VERSION)


def _reconsider() -> None:
    """
    Take apart what the matching merged and would not merge again: a listing of either has changed, or the matching has.

    Who is merged stands for itself no more, so it is never due; it is looked at here by its own listings alone.
    """
    with operation(Kind.MATCH), connection.cursor() as cursor:
        _take_back(cursor)


def _take_back(cursor: CursorWrapper) -> None:
    hold_products(cursor)
    changed = SupplierListing.objects.filter(
        Q(merge_key=OuterRef("decision__left_key")) | Q(merge_key=OuterRef("decision__right_key")),
        updated_at__gt=OuterRef("decision__decided_at"),
    )
    doubtful = ProductAlias.objects.filter(
        ~Q(decision__algorithm=VERSION) | Exists(changed), decision__decided_by=None
    )
    aliases = list(doubtful.select_related("decision").order_by("-created_at"))
    keys = {key for alias in aliases for key in (alias.decision.left_key, alias.decision.right_key)}
    apart = {
        product.merge_key: candidate_of(product) for product in products_apart(cursor, sorted(keys))
    }
    for alias in aliases:
        decision, pair = (
            alias.decision,
            (apart.get(alias.decision.left_key), apart.get(alias.decision.right_key)),
        )
        if not (pair[0] and pair[1]):
            continue
        band = compare(pair[0], pair[1]).band
        # A listing alone may know less than the product did, so that after a change only what rules out counts.
        if band == "different" or (band == "ask" and decision.algorithm != VERSION):
            _unmerge(alias)
            decision.delete()  # found again, if it is still to be asked
        else:
            decision.algorithm = VERSION
            _note(decision, Verdict.SAME, None)


def _match_batch(size: int, matched: Matched) -> int:
    with connection.cursor() as cursor:
        hold_products(cursor)
    due = list(_due().select_for_update(skip_locked=True).order_by("pk")[:size])
    if not due:
        return 0
    ours = {product.pk: candidate_of(product) for product in due}
    for product in due:
        product.match_block = brand_block(product.brand)
        product.matched_with = VERSION
    Product.objects.bulk_update(due, ["match_block", "matched_with"], batch_size=BATCH)
    found = _pairs(ours.values(), _others(due))
    decided, apart = _decided(found), _held_apart(found)
    gone: set[str] = set()
    asked: list[MatchDecision] = []
    for (left, right), compared in sorted(
        found.items(), key=lambda pair: (-pair[1].score, pair[0])
    ):
        known = decided.get((left, right))
        # One that was merged a moment ago is compared through its survivor, which the other was compared with as well.
        if (
            {left, right} & gone
            or (left, right) in apart
            or (known and known.verdict != Verdict.OPEN)
        ):
            continue
        decision = _decision_of(left, right, compared)
        if compared.band == "same":
            gone.add(_merge(decision))
            _note(decision, Verdict.SAME, None)
            matched.merged += 1
        else:
            asked.append(decision)
            matched.asked += known is None
    # Questions that are none any more: one of the two has changed, or is merged into a third.
    keys = gone.union(product.merge_key for product in due)
    kept = [decision.pk for decision in asked if not {decision.left_key, decision.right_key} & gone]
    unanswered = MatchDecision.objects.filter(
        Q(left_key__in=keys) | Q(right_key__in=keys), verdict=Verdict.OPEN
    )
    unanswered.exclude(pk__in=kept).delete()
    return len(due)


def _pairs(
    ours: Iterable[Candidate], others: dict[str, list[Candidate]]
) -> dict[tuple[str, str], Comparison]:
    """Return what is the same or to be asked, by both keys, the lesser first."""
    found: dict[tuple[str, str], Comparison] = {}
    for product in ours:
        rivals = [
            other
            for other in others[brand_block(product.brand)]
            if other.merge_key != product.merge_key
        ]
        for other, compared in best_of(product, rivals):
            left, right = sorted((product.merge_key, other.merge_key))
            # From either side's view: where one of them has rivals, the pair is asked about.
            if (left, right) not in found or compared.score < found[left, right].score:
                found[left, right] = compared
    return found


def _others(due: Sequence[Product]) -> dict[str, list[Candidate]]:
    """Return the current products of the same brands; those without a brand are compared with nothing but themselves."""
    blocks = {product.match_block for product in due} - {""}
    by_block: dict[str, list[Candidate]] = defaultdict(list)
    for product in Product.objects.current().filter(match_block__in=blocks).order_by("pk"):
        by_block[product.match_block].append(candidate_of(product))
    return by_block


def candidate_of(product: Product) -> Candidate:
    """Return what of a product is compared."""
    return Candidate(
        merge_key=product.merge_key,
        name=product.name,
        name_fr=product.name_fr,
        brand=product.brand,
        gtin=product.gtin,
        category=product.category,
        strain_type=product.strain_type,
        weight_grams=product.weight_grams,
        volume_ml=product.volume_ml,
        pieces=product.pieces,
        thc_mg=product.thc_mg,
        cbd_mg=product.cbd_mg,
        measures=frozenset(product.measures),
        thc=_range(product.thc_percentage_low, product.thc_percentage_high),
        cbd=_range(product.cbd_percentage_low, product.cbd_percentage_high),
    )


def _range(low: Any, high: Any) -> Any:
    return None if low is None or high is None else (low, high)


def _decided(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], MatchDecision]:
    keys = {key for pair in pairs for key in pair}
    known = MatchDecision.objects.filter(Q(left_key__in=keys) & Q(right_key__in=keys))
    return {(decision.left_key, decision.right_key): decision for decision in known}


def _held_apart(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs that would bring together what somebody has decided to be two, under whatever keys."""
    keys = {key for pair in pairs for key in pair}
    members = {key: {key} for key in keys}
    for merge_key, product_key in ProductAlias.objects.filter(product_key__in=keys).values_list(
        "merge_key", "product_key"
    ):
        members[product_key].add(merge_key)
    all_keys = set().union(*members.values())
    different = MatchDecision.objects.filter(
        left_key__in=all_keys, right_key__in=all_keys, verdict=Verdict.DIFFERENT
    )
    owner = {key: product for product, own in members.items() for key in own}
    told = different.values_list("left_key", "right_key")
    return {(min(pair), max(pair)) for one, other in told if (pair := (owner[one], owner[other]))}


def _decision_of(left: str, right: str, compared: Comparison) -> MatchDecision:
    left, right = sorted((left, right))
    told = {"score": compared.score, "reasons": list(compared.reasons), "algorithm": VERSION}
    return MatchDecision.objects.update_or_create(left_key=left, right_key=right, defaults=told)[0]


def _note(decision: MatchDecision, verdict: str, by: AbstractBaseUser | None) -> None:
    decision.verdict, decision.decided_at = verdict, timezone.now()
    decision.decided_by_id = by.pk if by else None
    decision.save()


def _merge(decision: MatchDecision) -> str:
    """Make the two one; return the key of the one that stands for itself no more."""
    products = {p.merge_key: p for p in _locked([decision.left_key, decision.right_key])}
    if len(products) < 2:
        raise MergeRefused("One of the two products is no longer there.")
    if any(product.merged_into_id for product in products.values()):
        raise MergeRefused(
            "One of the two is merged into another product already; take that apart first."
        )
    # Who has a GTIN is known to the world by it; else the older one, whose id others may hold.
    survivor, loser = sorted(
        products.values(), key=lambda p: (not p.gtin, p.created_at, p.merge_key)
    )
    moved = list(
        ProductAlias.objects.filter(product_key=loser.merge_key).values_list("merge_key", flat=True)
    )
    stores = stores_to_bring(loser=loser, survivor=survivor)
    before = {
        "survivor": _facts(survivor),
        "loser": _facts(loser),
        "moved": moved,
        "stores": stores,
    }
    ProductAlias.objects.create(
        merge_key=loser.merge_key, product_key=survivor.merge_key, decision=decision, before=before
    )
    ProductAlias.objects.filter(merge_key__in=moved).update(product_key=survivor.merge_key)
    Product.objects.filter(merged_into=loser).update(merged_into=survivor)
    Product.objects.filter(pk=loser.pk).update(merged_into=survivor, updated_at=timezone.now())
    with connection.cursor() as cursor:
        bring_locks(cursor, loser=loser, survivor=survivor)
        merge_products(cursor, [survivor.merge_key])
    bring = partial(bring_counts, loser=loser.pk, survivor=survivor.pk, stores=stores)
    transaction.on_commit(bring, robust=True)
    return loser.merge_key


def _unmerge(alias: ProductAlias) -> None:
    """Undo a merge as if it had never been: what was merged after it is taken off first, and put back after it."""
    later = ProductAlias.objects.select_related("decision").filter(
        product_key=alias.product_key, created_at__gt=alias.created_at
    )
    on_top = list(later.order_by("-created_at"))
    for one in (*on_top, alias):
        _take_apart(one)
    for one in reversed(on_top):
        _merge(one.decision)


def _take_apart(alias: ProductAlias) -> None:
    alias.refresh_from_db(fields=["product_key"])
    survivor = Product.objects.select_for_update().get(merge_key=alias.product_key)
    loser = Product.objects.select_for_update().get(merge_key=alias.merge_key)
    if survivor.merged_into_id:
        raise MergeRefused(
            f"{survivor.name} is itself merged into another product; take that apart first."
        )
    moved = alias.before["moved"]
    ProductAlias.objects.filter(merge_key__in=moved, product_key=alias.product_key).update(
        product_key=loser.merge_key
    )
    Product.objects.filter(merge_key__in=moved, merged_into=survivor).update(merged_into=loser)
    alias.delete()
    ProductLock.objects.filter(product=survivor, came_with=loser).delete()
    stores = alias.before.get("stores", [])
    transaction.on_commit(
        partial(take_back_counts, loser=loser.pk, survivor=survivor.pk, stores=stores), robust=True
    )
    _restore(survivor, alias.before["survivor"])
    _restore(loser, alias.before["loser"])
    keys = [survivor.merge_key, loser.merge_key]
    with connection.cursor() as cursor:
        merge_products(cursor, keys)  # what their listings have said since
        write_documents(cursor, keys)


def _restore(product: Product, facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        setattr(product, name, _field(name).to_python(value))
    product.merged_into, product.matched_with, product.updated_at = None, "", timezone.now()
    product.save()


def _field(name: str) -> Field:
    return next(field for field in Product._meta.fields if field.name == name)


def _facts(product: Product) -> dict[str, Any]:
    facts = {name: getattr(product, name) for name in FACTS}
    told: dict[str, Any] = json.loads(json.dumps(facts, cls=DjangoJSONEncoder))
    return told


def _locked(keys: Iterable[str]) -> list[Product]:
    return list(
        Product.objects.select_for_update().filter(merge_key__in=list(keys)).order_by("merge_key")
    )
