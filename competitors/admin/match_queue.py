"""Match queues of the console: an offer beside products, and a person's verdict."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from catalog.matching import translate_reason
from catalog.models import Product
from catalog.search import find_products
from catalog.selectors.products import all_products, current_products
from competitors.models import CompetitorOffer, OfferMatch
from competitors.selectors.match_queues import (
    QueuePosition,
    find_offer,
    next_offer,
    pairs_of,
    price_difference,
    proposed_offers,
    queue_lengths,
    unmatched_offers,
)
from competitors.services.offer_matches import (
    MatchRefused,
    confirm_match,
    mark_not_sold,
    reject_match,
    undo_last_verdict,
    unmatch,
)
from competitors.services.offer_matching import find_candidates

_QUEUES = {"confirm": proposed_offers, "find": unmatched_offers}
_MAX_FOUND = 8
_MATCHED = (CompetitorOffer.MatchStatus.AUTOMATIC, CompetitorOffer.MatchStatus.CONFIRMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProduct:
    """A product beside an offer. price_difference: their price minus ours."""

    product: Product
    score: int | None
    explanation: str
    price_difference: Decimal | None
    verdict: str = ""


def match_urls(site: admin.AdminSite) -> list[Any]:
    """Return the addresses of both queues and of the match of one offer."""
    prefix = "competitors_offermatch"
    return [
        path("confirm/", site.admin_view(queue_view), {"queue": "confirm"}, f"{prefix}_confirm"),
        path("find/", site.admin_view(queue_view), {"queue": "find"}, f"{prefix}_find"),
        path("offer/<uuid:pk>/", site.admin_view(offer_view), name=f"{prefix}_offer"),
    ]


def queue_view(request: HttpRequest, queue: str) -> HttpResponse:
    """Show the next offer of a queue; `after`: the offer that was skipped or decided."""
    _require(request, "view")
    after = _position(request.GET.get("after", ""))
    offers = _QUEUES[queue](competitor=request.GET.get("competitor", ""))
    offer = next_offer(offers, after)
    if offer is None and after is not None and offers.exists():
        messages.info(request, _("That was the last one; the queue starts again."))
        return redirect(f"admin:competitors_offermatch_{queue}")
    if offer is None:
        context = {**_context(request, queue), "offer": None}
        return TemplateResponse(request, "admin/competitors/match.html", context)
    return _render(request, offer, queue)


def offer_view(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show the match of one offer, or apply a verdict and go on in the queue."""
    _require(request, "view")
    offer = find_offer(pk)
    if offer is None:
        raise Http404
    queue = request.POST.get("queue") or request.GET.get("queue", "")
    if request.method != "POST":
        return _render(request, offer, queue)
    _require(request, "change")
    verdict, _separator, product_id = request.POST.get("verdict", "").partition(":")
    if verdict != "skip":
        try:
            _apply(request, offer, verdict, product_id)
        except MatchRefused as refused:
            messages.error(request, str(refused))
            return redirect("admin:competitors_offermatch_offer", offer.pk)
    if queue not in _QUEUES:
        return redirect("admin:competitors_offermatch_offer", offer.pk)
    address = reverse(f"admin:competitors_offermatch_{queue}")
    position = {"after": offer.pk, "competitor": request.POST.get("competitor", "")}
    return redirect(f"{address}?{urlencode(position)}")


def _apply(request: HttpRequest, offer: CompetitorOffer, verdict: str, product_id: str) -> None:
    """Apply a verdict. Raises MatchRefused, Http404: unknown product or verdict."""
    by: Any = request.user
    if verdict == "not_sold":
        mark_not_sold(offer=offer, by=by)
    elif verdict == "unmatch":
        unmatch(offer=offer, by=by)
    elif verdict == "undo":
        undo_last_verdict(offer=offer, by=by)
    elif verdict in ("same", "different"):
        try:
            product = get_object_or_404(all_products(), pk=product_id)
        except (ValueError, ValidationError):
            raise Http404 from None
        decide = confirm_match if verdict == "same" else reject_match
        decide(offer=offer, product=product, by=by)
    else:
        raise Http404
    messages.success(request, _("The verdict on %(offer)s is recorded.") % {"offer": offer})


def _render(request: HttpRequest, offer: CompetitorOffer, queue: str) -> HttpResponse:
    matches = pairs_of(offer)
    words = request.GET.get("q", "").strip()
    context = {
        **_context(request, queue),
        "offer": offer,
        "is_matched": offer.match_status in _MATCHED,
        "proposed": [
            _shown(offer, match.product, match.score, match.reasons, match.get_verdict_display())
            for match in matches
            if match.verdict != OfferMatch.Verdict.DIFFERENT
        ],
        "rejected": [m for m in matches if m.verdict == OfferMatch.Verdict.DIFFERENT],
        "query": words,
        "found": _found(offer, words, matches) if queue != "confirm" or words else [],
        "has_verdict": any(match.decided_by_id for match in matches),
    }
    return TemplateResponse(request, "admin/competitors/match.html", context)


def _found(offer: CompetitorOffer, words: str, matches: list[OfferMatch]) -> list[ShownProduct]:
    """Return products by words, or the nearest ones; those that were compared are left out."""
    compared = {match.product_id for match in matches}
    if words:
        products = find_products(current_products(), words)[:_MAX_FOUND]
        return [_shown(offer, product) for product in products if product.pk not in compared]
    return [
        _shown(offer, found.product, found.comparison.score, found.comparison.reasons)
        for found in find_candidates(offer, limit=_MAX_FOUND)
        if found.product.pk not in compared
    ]


def _shown(
    offer: CompetitorOffer,
    product: Product,
    score: Any = None,
    reasons: Any = (),
    verdict: str = "",
) -> ShownProduct:
    language = get_language() or "en"
    return ShownProduct(
        product=product,
        score=None if score is None else round(score),
        explanation="; ".join(translate_reason(reason, language) for reason in reasons),
        price_difference=price_difference(offer, product),
        verdict=verdict,
    )


def _context(request: HttpRequest, queue: str) -> dict[str, Any]:
    titles = {"confirm": _("Confirm matches"), "find": _("Find products of offers")}
    return {
        **admin.site.each_context(request),
        "title": titles.get(queue, _("Match of an offer")),
        "queue": queue,
        "competitor": request.GET.get("competitor", ""),
        "lengths": dict(zip(("to_confirm", "to_find"), queue_lengths(), strict=True)),
        "may_decide": request.user.has_perm("competitors.change_offermatch"),
    }


def _position(offer_id: str) -> QueuePosition | None:
    """Return the position that an address names; None: it names none."""
    try:
        offer = find_offer(UUID(offer_id)) if offer_id else None
    except ValueError:
        return None
    return QueuePosition(offer.name, offer.pk) if offer else None


def _require(request: HttpRequest, action: str) -> None:
    if not request.user.has_perm(f"competitors.{action}_offermatch"):
        raise PermissionDenied
