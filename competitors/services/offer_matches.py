"""
Verdicts of people on offers and products: confirmed, rejected, not sold, undone.

A verdict stays in the history of its pair. Whether an offer has a product follows from the verdicts
on its pairs, so that an undo needs to restore the verdicts alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from catalog.matching import algorithm_version, compare_products
from catalog.models import Product
from catalog.served_models import with_served_match_model
from catalog.services.duplicates import brand_aliases, match_candidate
from competitors.matching import description_hash, offer_candidate
from competitors.models import CompetitorOffer, OfferAlias, OfferMatch
from competitors.services.offer_matching import Status, Verdict, move_history
from config.errors import CultivarError

_NOT_SOLD = "not_sold"


class MatchRefused(CultivarError):
    """The verdict does not apply to the offer in its current state."""

    code = "match_refused"


@with_served_match_model
@transaction.atomic
def confirm_match(*, offer: CompetitorOffer, product: Product, by: AbstractBaseUser) -> None:
    """
    Record that an offer is a product, and learn its description.

    A merged product means the one that stands for it. Another product that the offer was matched to
    is rejected. Offers with the same name are matched again.
    """
    locked = _lock(offer)
    now = timezone.now()
    chosen = product.merged_into or product
    pair = _find_or_create_pair(locked, chosen)
    for other in _same_pairs(locked):
        if other.pk != pair.pk:
            _decide(other, Verdict.DIFFERENT, by, now)
    _decide(pair, Verdict.SAME, by, now)
    OfferAlias.objects.update_or_create(
        description_hash=description_hash(locked), defaults={"product": chosen, "match": pair}
    )
    _match_same_names_again(locked)
    _derive_status(locked, now)


@with_served_match_model
@transaction.atomic
def reject_match(*, offer: CompetitorOffer, product: Product, by: AbstractBaseUser) -> None:
    """Record that an offer is another product: the pair is not proposed again."""
    locked = _lock(offer)
    now = timezone.now()
    pair = _find_or_create_pair(locked, product)
    _decide(pair, Verdict.DIFFERENT, by, now)
    _derive_status(locked, now)


@transaction.atomic
def unmatch(*, offer: CompetitorOffer, by: AbstractBaseUser) -> None:
    """Reject the product that an offer is matched to. Raises MatchRefused: it has none."""
    locked = _lock(offer)
    if locked.match_status not in CompetitorOffer.MATCHED:
        raise MatchRefused(f"{locked} is not matched to a product.")
    now = timezone.now()
    for pair in _same_pairs(locked):
        _decide(pair, Verdict.DIFFERENT, by, now)
    _derive_status(locked, now)


@transaction.atomic
def mark_not_sold(*, offer: CompetitorOffer, by: AbstractBaseUser) -> None:
    """Record that we do not sell what an offer is; it is proposed again for new products only."""
    locked = _lock(offer)
    now = timezone.now()
    for pair in _same_pairs(locked):
        _decide(pair, Verdict.DIFFERENT, by, now, cause=_NOT_SOLD)
    _set_status(locked, Status.NOT_SOLD, None, now)


@transaction.atomic
def undo_last_verdict(*, offer: CompetitorOffer, by: AbstractBaseUser) -> None:
    """
    Take back the last verdict of a person on an offer.

    Raises MatchRefused: there is none.
    """
    locked = _lock(offer)
    now = timezone.now()
    if locked.match_status == Status.NOT_SOLD:
        undone = [pair for pair in locked.matches.all() if _cause(pair) == _NOT_SOLD]
    else:
        undone = _last_decided(locked)
        if not undone:
            raise MatchRefused(f"No person has decided on {locked} yet.")
    for pair in undone:
        _restore_verdict(pair, by, now)
    _derive_status(locked, now)


def _lock(offer: CompetitorOffer) -> CompetitorOffer:
    return CompetitorOffer.objects.select_for_update().get(pk=offer.pk)


def _same_pairs(offer: CompetitorOffer) -> list[OfferMatch]:
    return list(offer.matches.filter(verdict=Verdict.SAME))


def _last_decided(offer: CompetitorOffer) -> list[OfferMatch]:
    """Return the pairs of the last verdict of a person: it may have decided on two."""
    decided = list(offer.matches.exclude(decided_by=None))
    times = [pair.decided_at for pair in decided if pair.decided_at]
    return [pair for pair in decided if pair.decided_at == max(times)]


def _find_or_create_pair(offer: CompetitorOffer, product: Product) -> OfferMatch:
    pair = offer.matches.filter(product=product).first()
    if pair:
        return pair
    aliases = brand_aliases()
    comparison = compare_products(
        offer_candidate(offer, aliases), match_candidate(product, aliases)
    )
    return OfferMatch.objects.create(
        offer=offer,
        product=product,
        score=comparison.score,
        reasons=list(comparison.reasons),
        algorithm=algorithm_version(),
    )


def _decide(
    pair: OfferMatch, verdict: str, by: AbstractBaseUser, at: datetime, *, cause: str = ""
) -> None:
    """Set a verdict; the earlier one goes to the history. An alias of a pair that differs ends."""
    pair.history = [*pair.history, pair.as_history(cause=cause)]
    pair.verdict = verdict
    pair.decided_by_id = by.pk
    pair.decided_at = at
    pair.save()
    _forget_alias(pair)


def _forget_alias(pair: OfferMatch) -> None:
    """Delete what contradicts a pair that is not the same product."""
    if pair.verdict == Verdict.SAME:
        return
    contradicting = OfferAlias.objects.filter(
        Q(match=pair) | Q(description_hash=description_hash(pair.offer), product=pair.product_id)
    )
    if contradicting.delete()[0]:
        _match_same_names_again(pair.offer)


def _match_same_names_again(offer: CompetitorOffer) -> None:
    same_name = CompetitorOffer.objects.filter(name=offer.name, gone_at=None)
    others = same_name.exclude(pk=offer.pk).exclude(match_status=Status.CONFIRMED)
    # Those that a crawl is writing are skipped, so that neither waits for the other.
    free = list(others.select_for_update(skip_locked=True).values_list("pk", flat=True))
    CompetitorOffer.objects.filter(pk__in=free).update(matched_at=None)


def _restore_verdict(pair: OfferMatch, by: AbstractBaseUser, at: datetime) -> None:
    """Make the verdict before the current one current again; both stay in the history."""
    index = _last_entry(pair.history)
    if index is None:
        return
    earlier = pair.history[index]
    undone = {**pair.as_history(), "undone_by": by.pk, "undone_at": at.isoformat()}
    pair.history = [*pair.history[:index], *pair.history[index + 1 :], undone]
    pair.verdict = earlier["verdict"]
    pair.decided_by_id = earlier["user"]
    pair.decided_at = datetime.fromisoformat(earlier["at"]) if earlier["at"] else None
    pair.save()
    if pair.verdict == Verdict.SAME and pair.decided_by_id:
        OfferAlias.objects.update_or_create(
            description_hash=description_hash(pair.offer),
            defaults={"product_id": pair.product_id, "match": pair},
        )
    else:
        _forget_alias(pair)


def _last_entry(history: Sequence[dict[str, Any]]) -> int | None:
    """Return the index of the last verdict that was not undone."""
    indexes = [index for index, entry in enumerate(history) if "undone_at" not in entry]
    return indexes[-1] if indexes else None


def _cause(pair: OfferMatch) -> str:
    index = _last_entry(pair.history)
    return "" if index is None else str(pair.history[index].get("cause", ""))


def _derive_status(offer: CompetitorOffer, at: datetime) -> None:
    """Set status and product of an offer by the verdicts on its pairs."""
    pairs = list(offer.matches.order_by("-score", "pk"))
    same = [pair for pair in pairs if pair.verdict == Verdict.SAME]
    open_pairs = [pair for pair in pairs if pair.verdict == Verdict.OPEN]
    confirmed = [pair for pair in same if pair.decided_by_id]
    if confirmed:
        _set_status(offer, Status.CONFIRMED, confirmed[0], at)
    elif same:
        _set_status(offer, Status.AUTOMATIC, same[0], at)
    elif open_pairs:
        _set_status(offer, Status.PROPOSED, open_pairs[0], at)
    else:
        _set_status(offer, Status.UNMATCHED, None, at)


def _set_status(offer: CompetitorOffer, status: str, pair: OfferMatch | None, at: datetime) -> None:
    product_id: UUID | None = (
        pair.product_id if pair and status in CompetitorOffer.MATCHED else None
    )
    CompetitorOffer.objects.filter(pk=offer.pk).update(
        match_status=status,
        product_id=product_id,
        match_score=pair.score if pair else None,
        matched_at=at,
    )
    if product_id != offer.product_id:
        move_history([offer.pk])
