"""Possible duplicates in the console: product pairs side by side, and a person's verdict."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from catalog.matching import translate_reason
from catalog.models import MatchDecision, Product
from catalog.selectors.duplicates import products_by_merge_key
from catalog.services.duplicates import MergeRefused, apply_verdict
from catalog.services.merge_preview import MergePreview, preview_merge
from config.admin.labels import ColoredLabel
from mlops.admin.assignments import AssignableAdmin, AssigneeFilter

Verdict = MatchDecision.Verdict
# A merge is previewed by making it twice and rolling it back.
_MAX_PREVIEWED_PAIRS = 25


@dataclass(frozen=True, slots=True)
class PairForMerge:
    """
    A pair on the page that confirms merges.

    key: distinguishes its form fields from those of other pairs. preview: None for a pair that
    cannot be merged, with the reason.
    """

    key: str
    preview: MergePreview | None
    refusal: str = ""

    @classmethod
    def of(cls, key: object, left: Product | None, right: Product | None) -> "PairForMerge":
        """Return the pair of two products with the preview of their merge."""
        if left is None or right is None:
            return cls(str(key), None, "One of the two products no longer exists.")
        try:
            return cls(str(key), preview_merge(left=left, right=right))
        except MergeRefused as refused:
            return cls(str(key), None, str(refused))

    def chosen_survivor(self, request: HttpRequest) -> Product | None:
        """Return the survivor that the person chose; None: none of the two."""
        chosen = request.POST.get(f"survivor_{self.key}")
        products = self.preview.products if self.preview else ()
        return next((product for product in products if str(product.pk) == chosen), None)

    def needs_acknowledgement(self, request: HttpRequest) -> bool:
        """Return whether the products differ in category, unit or size, unknown to the person."""
        has_conflicts = bool(self.preview and self.preview.conflicts)
        return has_conflicts and f"differences_{self.key}" not in request.POST


def is_merge_confirmed(request: HttpRequest, pairs: Iterable[PairForMerge]) -> bool:
    """Return whether the person confirmed the merges; show a message for differences not ticked."""
    if "confirmed" not in request.POST:
        return False
    unacknowledged = [pair for pair in pairs if pair.needs_acknowledgement(request)]
    for pair in unacknowledged:
        labels = ", ".join(field.label for field in pair.preview.conflicts) if pair.preview else ""
        messages.error(
            request,
            _("Nothing is merged: confirm that %(labels)s may differ.") % {"labels": labels},
        )
    return not unacknowledged


class VerdictFilter(admin.SimpleListFilter):
    """Filter by verdict; undecided pairs by default."""

    title = _("verdict")
    parameter_name = "verdict"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return the verdicts other than the default."""
        return [
            (Verdict.SAME, str(Verdict.SAME.label)),
            (Verdict.DIFFERENT, str(Verdict.DIFFERENT.label)),
            ("all", str(_("All"))),
        ]

    def choices(self, changelist: Any) -> Any:
        """Label the default choice with its verdict."""
        choices = list(super().choices(changelist))
        choices[0]["display"] = Verdict.OPEN.label
        return choices

    def queryset(
        self, _request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> QuerySet[MatchDecision]:
        """Return the pairs with the chosen verdict."""
        value = self.value() or Verdict.OPEN
        return queryset if value == "all" else queryset.filter(verdict=value)


@admin.register(MatchDecision)
class MatchDecisionAdmin(AssignableAdmin):
    """Product pairs that may be duplicates; decided pairs remain to be read and changed."""

    list_display = (
        "score",
        "pair",
        "explanation",
        "verdict_label",
        "assigned_to",
        "decided_by",
        "decided_at",
    )
    list_display_links = ("score",)
    list_filter = (VerdictFilter, AssigneeFilter)
    list_select_related = ("decided_by", "assigned_to")
    search_fields = ("left_key", "right_key")
    actions = ("merge", "keep_apart", *AssignableAdmin.actions)
    fields = (
        "pair",
        "explanation",
        "score",
        "algorithm",
        "verdict_label",
        "assigned_to",
        "decided_by",
        "decided_at",
        "created_at",
    )
    readonly_fields = fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Load the products of all rows of a page in one query."""
        changelist = super().get_changelist_instance(request)
        products = products_by_merge_key(list(changelist.result_list))
        for decision in changelist.result_list:
            decision.loaded_products = products
        return changelist

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the actions for people who may change decisions."""
        actions = super().get_actions(request)
        return actions if request.user.has_perm("catalog.change_matchdecision") else {}

    @admin.display(description=_("products"))
    def pair(self, decision: MatchDecision) -> SafeString:
        """Show both products side by side."""
        products = getattr(decision, "loaded_products", None) or products_by_merge_key([decision])
        pair = [products.get(key) for key in (decision.left_key, decision.right_key)]
        return SafeString(render_to_string("admin/catalog/matchdecision/pair.html", {"pair": pair}))

    @admin.display(description=_("compared"))
    def explanation(self, decision: MatchDecision) -> str:
        """Show the results of the comparison."""
        language = get_language() or "en"
        return "; ".join(translate_reason(reason, language) for reason in decision.reasons)

    @display(
        description=_("verdict"),
        ordering="verdict",
        label={
            Verdict.OPEN: "warning",
            Verdict.SAME: "success",
            Verdict.DIFFERENT: "info",
        },
    )
    def verdict_label(self, decision: MatchDecision) -> ColoredLabel:
        """Show the verdict as a colored label."""
        return ColoredLabel(decision.verdict, decision.get_verdict_display())

    @admin.action(description=_("Same product: merge"))
    def merge(self, request: HttpRequest, queryset: QuerySet[MatchDecision]) -> HttpResponse | None:
        """Merge each pair after confirmation."""
        return self._decide(request, queryset, Verdict.SAME)

    @admin.action(description=_("Different products: keep apart or unmerge"))
    def keep_apart(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision]
    ) -> HttpResponse | None:
        """Keep each pair apart, unmerging it if necessary, after confirmation."""
        return self._decide(request, queryset, Verdict.DIFFERENT)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[MatchDecision], verdict: str
    ) -> HttpResponse | None:
        if verdict == Verdict.SAME:
            return self._merge_pairs(request, list(queryset))
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": _("Keep these pairs apart?"),
                "opts": self.opts,
                "rows": [
                    (self.pair(decision), self.explanation(decision)) for decision in queryset
                ],
                "selected_ids": [decision.pk for decision in queryset],
                "action": request.POST["action"],
            }
            return TemplateResponse(request, "admin/catalog/matchdecision/confirm.html", context)
        self._apply_verdict(request, verdict, dict.fromkeys(queryset))
        return None

    def _merge_pairs(
        self, request: HttpRequest, decisions: list[MatchDecision]
    ) -> HttpResponse | None:
        """Show the previews of the merges, or merge the confirmed pairs."""
        if len(decisions) > _MAX_PREVIEWED_PAIRS:
            messages.error(
                request,
                _("Select at most %(limit)s pairs to merge.") % {"limit": _MAX_PREVIEWED_PAIRS},
            )
            return None
        products = products_by_merge_key(decisions)
        pairs = {
            decision: PairForMerge.of(
                decision.pk, products.get(decision.left_key), products.get(decision.right_key)
            )
            for decision in decisions
        }
        if not is_merge_confirmed(request, pairs.values()):
            return render_merge_page(
                self, request, list(pairs.values()), [decision.pk for decision in decisions]
            )
        survivors = {decision: pair.chosen_survivor(request) for decision, pair in pairs.items()}
        self._apply_verdict(request, Verdict.SAME, survivors)
        return None

    def _apply_verdict(
        self,
        request: HttpRequest,
        verdict: str,
        survivors: dict[MatchDecision, Product | None],
    ) -> None:
        by: Any = request.user
        decided_count = 0
        for decision, survivor in survivors.items():
            try:
                apply_verdict(decision=decision, verdict=verdict, by=by, survivor=survivor)
            except MergeRefused as refused:
                messages.error(request, str(refused))
            else:
                decided_count += 1
        if decided_count:
            messages.success(
                request,
                _("%(decided_count)s pairs decided; you will not be asked about them again.")
                % {"decided_count": decided_count},
            )


def render_merge_page(
    model_admin: Any, request: HttpRequest, pairs: list[PairForMerge], selected_ids: list[Any]
) -> HttpResponse:
    """Show both products of each pair, the resulting values, and the choice of the survivor."""
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Merge these products?"),
        "opts": model_admin.opts,
        "pairs": pairs,
        "selected_ids": selected_ids,
        "action": request.POST["action"],
    }
    return TemplateResponse(request, "admin/catalog/matchdecision/merge.html", context)
