"""
Duplicate products: matching, staff verdicts, merging and unmerging.

A merge keeps both product rows: the loser points at the survivor (`merged_into`), an alias routes
its listings to the survivor, and the state of both before the merge is stored for unmerging.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Exists, Field, OuterRef, Q, QuerySet
from django.utils import timezone

from catalog.matching import (
    MAX_SHARED_WITHOUT_BRAND,
    Assortment,
    BrandMentions,
    MatchCandidate,
    ProductComparison,
    Profile,
    algorithm_version,
    brand_block,
    brand_key,
    candidate_pairs,
    compare_products,
    mentioned_forms,
    rank_matches,
    read_profile,
)
from catalog.models import MatchDecision, Product, ProductAlias, ProductLock, SupplierListing
from catalog.selectors.duplicates import (
    brands_of_products,
    confirmed_brand_pairs,
    count_products_by_word,
    products_to_compare,
)
from catalog.selectors.field_merge import FIELD_SQL
from catalog.served_models import with_served_match_model
from catalog.services.locks import copy_locks
from catalog.services.merging import (
    build_unmerged_products,
    lock_products,
    merge_products,
    update_search_documents,
)
from catalog.services.stock import copy_stock_counts, remove_copied_stock_counts, stores_to_copy
from config.errors import CultivarError
from mlops.audit.operations import operation
from mlops.models import Operation

BATCH_SIZE = 1_000
Verdict = MatchDecision.Verdict
_COMPARISON_FIELDS = ("score", "reasons", "algorithm")
Kind = Operation.Kind


class MergeRefused(CultivarError):
    """The two products cannot be merged or unmerged in their current state."""

    code = "merge_refused"


@dataclass(slots=True)
class MatchingResult:
    """Counts of a matching: products compared, pairs merged, pairs newly put up for review."""

    compared: int = 0
    merged: int = 0
    for_review: int = 0


class _Context:
    """Brands, aliases and frequencies of words of the whole catalogue, read when first needed."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self.aliases = aliases
        self._products_by_word: dict[str, int] = {}

    @cached_property
    def mentions(self) -> BrandMentions:
        """The brands of the catalogue."""
        return BrandMentions(_known_brand(brand, self.aliases) for brand in brands_of_products())

    @cached_property
    def has_products_without_brand(self) -> bool:
        """Whether any product has no brand."""
        return Product.objects.current().filter(match_block="").exists()

    def rare_words(self, profiles: Iterable[Profile]) -> list[str]:
        """Return the words of names that few products have."""
        words = {token for profile in profiles for token in profile.tokens}
        unknown = words - self._products_by_word.keys()
        self._products_by_word |= count_products_by_word(unknown)
        return sorted(
            word for word in words if self._products_by_word[word] <= MAX_SHARED_WITHOUT_BRAND
        )


@with_served_match_model
def match_products(
    *, limit: int | None = None, on_batch: Callable[[int], None] = lambda _count: None
) -> MatchingResult:
    """
    Compare products that are new, changed, or not compared by this version with others.

    Pairs in band "same" are merged, pairs in band "review" are put before staff; verdicts of staff
    stay. Safe to repeat and to run concurrently.

    limit: maximum number of products compared. on_batch: called with the size of each batch.
    """
    result = MatchingResult()
    aliases = brand_aliases()
    _revise_automatic_merges(aliases)
    _assign_blocks(aliases)
    context = _Context(aliases)
    while limit is None or result.compared < limit:
        size = BATCH_SIZE if limit is None else min(BATCH_SIZE, limit - result.compared)
        with operation(Kind.MATCH):
            count = _match_batch(size, result, context)
        if not count:
            break
        result.compared += count
        on_batch(count)
    return result


def dry_run_matching(*, on_batch: Callable[[int], None] = lambda _count: None) -> MatchingResult:
    """Match all unmatched products in a transaction that is rolled back; return the counts."""
    with transaction.atomic():
        result = match_products(on_batch=on_batch)
        transaction.set_rollback(True)
    return result


@with_served_match_model
def count_unmatched_products() -> int:
    """Return the number of products that await matching."""
    return int(_unmatched_products().count())


def apply_verdict(
    *,
    decision: MatchDecision,
    verdict: str,
    by: AbstractBaseUser | None,
    survivor: Product | None = None,
) -> None:
    """
    Record a verdict on two products, and merge or unmerge them. Raises MergeRefused.

    survivor: the product of the two that stands for both; None: see `default_survivor`.
    """
    with (
        operation(Kind.MERGE if verdict == Verdict.SAME else Kind.UNMERGE, actor=by),
        connection.cursor() as cursor,
    ):
        lock_products(cursor)
        _merge_or_unmerge(decision, verdict, survivor.merge_key if survivor else "")
        _record_verdict(decision, verdict, by)


def _merge_or_unmerge(decision: MatchDecision, verdict: str, survivor_key: str) -> None:
    if verdict == Verdict.SAME:
        if not ProductAlias.objects.filter(decision=decision).exists():
            _merge_pair(decision, survivor_key)
    else:
        alias = ProductAlias.objects.filter(decision=decision).first()
        if alias:
            _unmerge_alias(alias)


@with_served_match_model
@transaction.atomic
def merge_pair(
    *,
    left: Product,
    right: Product,
    by: AbstractBaseUser | None,
    survivor: Product | None = None,
) -> MatchDecision:
    """
    Merge two products chosen by staff. Raises MergeRefused.

    survivor: the product of the two that stands for both; None: see `default_survivor`.
    """
    left_key, right_key = sorted((left.merge_key, right.merge_key))
    decision = MatchDecision.objects.filter(left_key=left_key, right_key=right_key).first()
    decision = decision or _new_decision(left_key, right_key)
    _set_comparison(decision, ProductComparison(100, "same", ("merged by staff",)))
    decision.save()
    apply_verdict(decision=decision, verdict=Verdict.SAME, by=by, survivor=survivor)
    return decision


def default_survivor(products: Iterable[Product]) -> Product:
    """Return the product with a GTIN, else the older one, whose id clients may have stored."""
    return min(
        products, key=lambda product: (not product.gtin, product.created_at, product.merge_key)
    )


@transaction.atomic
def unmerge(*, product: Product, by: AbstractBaseUser) -> None:
    """
    Restore a merged product; the pair is decided as different and not put up for review again.

    Raises MergeRefused.
    """
    alias = (
        ProductAlias.objects.select_related("decision").filter(merge_key=product.merge_key).first()
    )
    if alias is None or product.merged_into is None:
        raise MergeRefused(f"{product.name} is not merged into another product.")
    apply_verdict(decision=alias.decision, verdict=Verdict.DIFFERENT, by=by)


def _unmatched_products() -> QuerySet[Product]:
    return Product.objects.current().exclude(matched_with=algorithm_version())


def brand_aliases() -> dict[str, str]:
    """Return the brand that staff confirmed as another name of a brand, by the latter's key."""
    return {
        brand_key(alias): brand
        for brand, alias in confirmed_brand_pairs()
        if brand_key(alias) not in ("", brand_key(brand))
    }


def _assign_blocks(aliases: Mapping[str, str]) -> None:
    """
    Store the block of each product that awaits matching.

    Batches go from block to block, so that the products of a block are loaded once or twice.
    """
    unmatched = _unmatched_products().order_by("pk").values_list("pk", "brand", "match_block")
    outdated = [
        Product(pk=pk, match_block=block)
        for pk, brand, stored in unmatched.iterator(chunk_size=BATCH_SIZE)
        if (block := brand_block(_known_brand(brand, aliases))) != stored
    ]
    Product.objects.bulk_update(outdated, ["match_block"], batch_size=BATCH_SIZE)


def _known_brand(brand: str | None, aliases: Mapping[str, str]) -> str | None:
    return aliases.get(brand_key(brand), brand)


def _revise_automatic_merges(aliases_of_brands: Mapping[str, str]) -> None:
    """
    Compare automatic merges again where a listing of either or the matching version has changed.

    A merged product is never due for matching, so that its merge is revised here, by its own
    listings alone.
    """
    with operation(Kind.MATCH), connection.cursor() as cursor:
        lock_products(cursor)
        aliases = list(_outdated_aliases())
        keys = {key for alias in aliases for key in _decision_keys(alias.decision)}
        unmerged = build_unmerged_products(cursor, sorted(keys))
        described = _describe(
            [match_candidate(product, aliases_of_brands) for product in unmerged],
            aliases_of_brands,
        )
        for alias in aliases:
            left, right = map(described.get, _decision_keys(alias.decision))
            if left and right:
                _revise_merge(alias, compare_products(left, right))


def _describe(
    candidates: Sequence[MatchCandidate], aliases: Mapping[str, str]
) -> dict[str, MatchCandidate]:
    """Return products by merge key, with what the current products of their brands say of them."""
    blocks = {brand_block(candidate.brand) for candidate in candidates} - {""}
    others = products_to_compare(
        blocks=blocks, gtins=(), brand_forms=(), words=(), words_without_brand=()
    )
    known = [match_candidate(product, aliases) for product in others] if blocks else []
    assortment = Assortment(map(read_profile, [*known, *candidates]))
    return {candidate.merge_key: assortment.describe(candidate) for candidate in candidates}


def _outdated_aliases() -> QuerySet[ProductAlias]:
    changed_listings = SupplierListing.objects.filter(
        Q(merge_key=OuterRef("decision__left_key")) | Q(merge_key=OuterRef("decision__right_key")),
        updated_at__gt=OuterRef("decision__decided_at"),
    )
    automatic = ProductAlias.objects.filter(decision__decided_by=None)
    outdated = automatic.filter(
        ~Q(decision__algorithm=algorithm_version()) | Exists(changed_listings)
    )
    return outdated.select_related("decision").order_by("-created_at")


def _decision_keys(decision: MatchDecision) -> tuple[str, str]:
    return decision.left_key, decision.right_key


def _revise_merge(alias: ProductAlias, comparison: ProductComparison) -> None:
    """
    Unmerge products that the current matching would not merge.

    A product's own listings may state less than the product did when it was merged, so that after a
    change of a listing only "different" unmerges; after a change of version, "review" does too.
    """
    decision = alias.decision
    is_new_version = decision.algorithm != algorithm_version()
    if comparison.band == "different" or (comparison.band == "review" and is_new_version):
        _unmerge_alias(alias)
        decision.delete()  # created again by the matching if it is for review
    else:
        decision.algorithm = algorithm_version()
        _record_verdict(decision, Verdict.SAME, None)


def _match_batch(size: int, result: MatchingResult, context: _Context) -> int:
    """Match up to `size` products and add to the result's counts; return the number of products."""
    with connection.cursor() as cursor:
        lock_products(cursor)
    unmatched = _unmatched_products().select_for_update(skip_locked=True)
    products = list(unmatched.order_by("match_block", "pk")[:size])
    if not products:
        return 0
    for product in products:
        product.match_block = brand_block(_known_brand(product.brand, context.aliases))
        product.matched_with = algorithm_version()
    Product.objects.bulk_update(products, ["match_block", "matched_with"], batch_size=BATCH_SIZE)

    comparisons = _compare_with_blocks(products, context)
    existing = _existing_decisions(comparisons)
    kept_apart = _kept_apart_pairs(comparisons)
    merged_keys: set[str] = set()
    outdated_survivors: set[str] = set()
    for_review: list[MatchDecision] = []
    for pair, comparison in sorted(comparisons.items(), key=lambda item: (item[1].order, item[0])):
        decision = existing.get(pair) or _new_decision(*pair)
        # A product merged in this batch is represented by its survivor, compared as well.
        if merged_keys.intersection(pair) or pair in kept_apart or decision.verdict != Verdict.OPEN:
            continue
        _set_comparison(decision, comparison)
        if comparison.band == "same":
            if outdated_survivors.intersection(pair):
                _merge_fields(outdated_survivors)
            _record_verdict(decision, Verdict.SAME, None)
            loser_key, survivor_key = _join_pair(decision)
            merged_keys.add(loser_key)
            outdated_survivors.add(survivor_key)
            result.merged += 1
        else:
            for_review.append(decision)
    _merge_fields(outdated_survivors)
    result.for_review += _save_reviews(for_review)
    changed_keys = merged_keys.union(product.merge_key for product in products)
    _delete_obsolete_reviews(changed_keys, for_review, merged_keys)
    return len(products)


def _merge_fields(product_keys: set[str]) -> None:
    """Merge the listings of survivors together, which saves most queries; empty the set."""
    with connection.cursor() as cursor:
        merge_products(cursor, sorted(product_keys))
    product_keys.clear()


def _save_reviews(decisions: Sequence[MatchDecision]) -> int:
    """Save open decisions; return the number of new ones."""
    new = [decision for decision in decisions if decision._state.adding]
    known = [decision for decision in decisions if not decision._state.adding]
    MatchDecision.objects.bulk_update(known, _COMPARISON_FIELDS, batch_size=BATCH_SIZE)
    MatchDecision.objects.bulk_create(new, batch_size=BATCH_SIZE)
    return len(new)


def _delete_obsolete_reviews(
    changed_keys: set[str], for_review: Sequence[MatchDecision], merged_keys: set[str]
) -> None:
    """Delete open decisions on changed products, other than those just made on current products."""
    valid = [
        decision.pk
        for decision in for_review
        if not merged_keys.intersection(_decision_keys(decision))
    ]
    open_decisions = MatchDecision.objects.filter(
        Q(left_key__in=changed_keys) | Q(right_key__in=changed_keys), verdict=Verdict.OPEN
    )
    open_decisions.exclude(pk__in=valid).delete()


def _compare_with_blocks(
    products: Sequence[Product], context: _Context
) -> dict[tuple[str, str], ProductComparison]:
    """Return comparisons in bands "same" and "review" by both keys, the lesser key first."""
    others = _products_to_compare(products, context)
    assortment = Assortment(map(read_profile, others))
    described = {other.merge_key: assortment.describe(other) for other in others}
    new = {product.merge_key: described[product.merge_key] for product in products}
    neighbors: dict[str, list[MatchCandidate]] = defaultdict(list)
    for left, right in candidate_pairs(list(new.values()), list(described.values())):
        neighbors[left.merge_key].append(right)
        neighbors[right.merge_key].append(left)
    comparisons: dict[tuple[str, str], ProductComparison] = {}
    for key, candidate in new.items():
        for other, comparison in rank_matches(candidate, neighbors[key]):
            first, second = sorted((key, other.merge_key))
            known = comparisons.get((first, second))
            # Both products rank the pair: an ambiguous match on either side needs a review.
            if known is None or comparison.order > known.order:
                comparisons[first, second] = comparison
    return comparisons


def _products_to_compare(products: Sequence[Product], context: _Context) -> list[MatchCandidate]:
    """Return the current products that blocking may pair with these."""
    profiles = [read_profile(match_candidate(product, context.aliases)) for product in products]
    blocks = {product.match_block for product in products}
    blocks |= {
        block for profile in profiles for block in context.mentions.find_blocks(profile.tokens)
    }
    brands = {profile.candidate.brand for profile in profiles}
    without_brand = [profile for profile in profiles if not brand_block(profile.candidate.brand)]
    has_others = context.has_products_without_brand
    others = products_to_compare(
        blocks=blocks - {""},
        gtins={product.gtin for product in products if product.gtin},
        brand_forms={form for brand in brands for form in mentioned_forms(brand)},
        words=context.rare_words(without_brand),
        words_without_brand=context.rare_words(profiles) if has_others else [],
    )
    return [match_candidate(product, context.aliases) for product in others]


def match_candidate(product: Product, aliases: Mapping[str, str]) -> MatchCandidate:
    """
    Return the attributes of a product that are compared.

    aliases: the brand that staff confirmed for a brand, by the key of the latter.
    """
    return MatchCandidate(
        merge_key=product.merge_key,
        name=product.name,
        name_fr=product.name_fr,
        brand=_known_brand(product.brand, aliases),
        gtin=product.gtin,
        category=product.category,
        strain_type=product.strain_type,
        weight_grams=product.weight_grams,
        volume_ml=product.volume_ml,
        unit_count=product.unit_count,
        thc_mg=_package_dose(product, product.thc_mg),
        cbd_mg=_package_dose(product, product.cbd_mg),
        measures=frozenset(product.measures),
        thc=_potency_range(product.thc_percentage_low, product.thc_percentage_high),
        cbd=_potency_range(product.cbd_percentage_low, product.cbd_percentage_high),
    )


def _package_dose(product: Product, milligrams: Decimal | None) -> Decimal | None:
    """Return the milligrams of the package, as others state them; as stored without its size."""
    amounts = {"mg_per_unit": product.unit_count, "mg_per_ml": product.volume_ml}
    amount = amounts.get(product.mg_basis or "")
    return milligrams * amount if milligrams is not None and amount else milligrams


def _potency_range(low: Any, high: Any) -> Any:
    return None if low is None or high is None else (low, high)


def _existing_decisions(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], MatchDecision]:
    keys = {key for pair in pairs for key in pair}
    decisions = MatchDecision.objects.filter(left_key__in=keys, right_key__in=keys)
    return {_decision_keys(decision): decision for decision in decisions}


def _kept_apart_pairs(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs whose merge would join products, or their aliases, decided as different."""
    keys = {key for pair in pairs for key in pair}
    product_by_key = {key: key for key in keys}
    aliases = ProductAlias.objects.filter(product_key__in=keys)
    product_by_key.update(aliases.values_list("merge_key", "product_key"))
    different = MatchDecision.objects.filter(
        left_key__in=list(product_by_key),
        right_key__in=list(product_by_key),
        verdict=Verdict.DIFFERENT,
    )
    decided_pairs = (
        (product_by_key[left], product_by_key[right])
        for left, right in different.values_list("left_key", "right_key")
    )
    return {(min(pair), max(pair)) for pair in decided_pairs}


def _new_decision(left_key: str, right_key: str) -> MatchDecision:
    # The id is made here, since those of rows created in bulk are not read back.
    return MatchDecision(id=uuid4(), left_key=left_key, right_key=right_key)


def _set_comparison(decision: MatchDecision, comparison: ProductComparison) -> None:
    decision.score = Decimal(comparison.score)
    decision.reasons = list(comparison.reasons)
    decision.algorithm = algorithm_version()


def _record_verdict(decision: MatchDecision, verdict: str, by: AbstractBaseUser | None) -> None:
    decision.verdict = verdict
    decision.decided_at = timezone.now()
    decision.decided_by_id = by.pk if by else None
    decision.save()


def _merge_pair(decision: MatchDecision, survivor_key: str = "") -> str:
    """
    Merge the two products with their fields; return the merge key of the loser.

    survivor_key: merge key of the survivor; empty: the default one.
    """
    loser_key, survivor_key = _join_pair(decision, survivor_key)
    _merge_fields({survivor_key})
    return loser_key


def _join_pair(decision: MatchDecision, survivor_key: str = "") -> tuple[str, str]:
    """Merge the two products without their fields; return the keys of loser and survivor."""
    products = _lock_by_key(_decision_keys(decision))
    if len(products) < 2:
        raise MergeRefused("One of the two products no longer exists.")
    if any(product.merged_into_id for product in products):
        raise MergeRefused(
            "One of the two is already merged into another product; unmerge that first."
        )
    chosen = [product for product in products if product.merge_key == survivor_key]
    survivor = chosen[0] if chosen else default_survivor(products)
    loser = next(product for product in products if product != survivor)
    moved = list(
        ProductAlias.objects.filter(product_key=loser.merge_key).values_list("merge_key", flat=True)
    )
    stores = stores_to_copy(loser=loser, survivor=survivor)
    before = {
        "survivor": _field_values(survivor),
        "loser": _field_values(loser),
        "moved": moved,
        "stores": stores,
    }
    ProductAlias.objects.create(
        merge_key=loser.merge_key, product_key=survivor.merge_key, decision=decision, before=before
    )
    if moved:
        ProductAlias.objects.filter(merge_key__in=moved).update(product_key=survivor.merge_key)
        Product.objects.filter(merged_into=loser).update(merged_into=survivor)
    Product.objects.filter(pk=loser.pk).update(merged_into=survivor, updated_at=timezone.now())
    with connection.cursor() as cursor:
        copy_locks(cursor, loser=loser, survivor=survivor)
    if stores:
        copy_stock = partial(copy_stock_counts, loser=loser.pk, survivor=survivor.pk, stores=stores)
        transaction.on_commit(copy_stock, robust=True)
    return loser.merge_key, survivor.merge_key


def _unmerge_alias(alias: ProductAlias) -> None:
    """Undo a merge; later merges into the same product are undone first and repeated after it."""
    later = ProductAlias.objects.select_related("decision").filter(
        product_key=alias.product_key, created_at__gt=alias.created_at
    )
    newest_first = list(later.order_by("-created_at"))
    for undone in (*newest_first, alias):
        _restore_pair(undone)
    for undone in reversed(newest_first):
        _merge_pair(undone.decision, undone.product_key)


def _restore_pair(alias: ProductAlias) -> None:
    alias.refresh_from_db(fields=["product_key"])
    survivor = Product.objects.select_for_update().get(merge_key=alias.product_key)
    loser = Product.objects.select_for_update().get(merge_key=alias.merge_key)
    if survivor.merged_into_id:
        raise MergeRefused(
            f"{survivor.name} is itself merged into another product; unmerge that first."
        )
    moved = alias.before["moved"]
    ProductAlias.objects.filter(merge_key__in=moved, product_key=alias.product_key).update(
        product_key=loser.merge_key
    )
    Product.objects.filter(merge_key__in=moved, merged_into=survivor).update(merged_into=loser)
    alias.delete()
    ProductLock.objects.filter(product=survivor, inherited_from=loser).delete()
    stores = alias.before.get("stores", [])
    remove_stock = partial(
        remove_copied_stock_counts, loser=loser.pk, survivor=survivor.pk, stores=stores
    )
    transaction.on_commit(remove_stock, robust=True)
    _restore_product(survivor, alias.before["survivor"])
    _restore_product(loser, alias.before["loser"])
    keys = [survivor.merge_key, loser.merge_key]
    with connection.cursor() as cursor:
        merge_products(cursor, keys)  # changes of their listings since the merge
        update_search_documents(cursor, keys)


def _restore_product(product: Product, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(product, name, _field(name).to_python(value))
    product.merged_into = None
    product.matched_with = ""
    product.updated_at = timezone.now()
    product.save()


def _field(name: str) -> Field:
    return next(field for field in Product._meta.fields if field.name == name)


def _field_values(product: Product) -> dict[str, Any]:
    """Return the merged fields of a product as JSON types."""
    values = {name: getattr(product, name) for name in FIELD_SQL}
    as_json: dict[str, Any] = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
    return as_json


def _lock_by_key(keys: Iterable[str]) -> list[Product]:
    return list(
        Product.objects.select_for_update().filter(merge_key__in=list(keys)).order_by("merge_key")
    )
