"""
Effective preferences of a customer: stated by the customer, else derived from purchases.

Preferences are derived from at most the last 200 purchase lines of 12 months: ranges cover the
middle 80 % of what was bought, strain types have a share of at least a fifth. Only for customers
with the consents `history` and `profiling`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import NumericRange
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from customers.models import ConsentText, CustomerProfile, Purchase
from customers.selectors.consents import active_purposes

MAX_PURCHASE_LINES = 200
HISTORY_WINDOW = timedelta(days=365)
_QUANTILES = (0.1, 0.9)
_MIN_VALUES = 3
_MIN_TYPE_SHARE = 0.2
_FREQUENCY_WINDOW = timedelta(days=90)
_BATCH_SIZE = 200
_REQUIRED_PURPOSES = {ConsentText.Purpose.HISTORY, ConsentText.Purpose.PROFILING}
_RANGE_COLUMNS = {"thc_range": "thc", "cbd_range": "cbd", "price_range": "unit_price"}


def derive_due_preferences() -> int:
    """
    Derive the preferences of the customers that are due; return their number.

    Rows locked by another process are skipped.
    """
    derived_count = 0
    while True:
        with transaction.atomic():
            due = list(
                CustomerProfile.objects.select_for_update(skip_locked=True).filter(is_due=True)[
                    :_BATCH_SIZE
                ]
            )
            for customer in due:
                derive_preferences(customer)
        derived_count += len(due)
        if len(due) < _BATCH_SIZE:
            return derived_count


def derive_preferences(customer: CustomerProfile, *, now: datetime | None = None) -> None:
    """
    Derive and save the preferences of a customer whose row is locked.

    Without both consents the derived preferences are empty.
    """
    now = now or timezone.now()
    if active_purposes(customer) >= _REQUIRED_PURPOSES:
        customer.derived_preferences = _derive(_purchase_lines(customer, now))
        customer.purchase_frequency, customer.avg_spending = _order_statistics(customer, now)
    else:
        customer.derived_preferences = {}
        customer.purchase_frequency = None
        customer.avg_spending = None
    customer.is_due = False
    set_effective_preferences(customer)
    customer.save()


def set_effective_preferences(customer: CustomerProfile) -> None:
    """Set the unsaved `preferred_*` fields: the stated preferences, else the derived ones."""
    effective = {**customer.derived_preferences, **customer.stated_preferences}
    customer.preferred_thc_range = _numeric_range(effective.get("thc_range"))
    customer.preferred_cbd_range = _numeric_range(effective.get("cbd_range"))
    customer.preferred_price_range = _numeric_range(effective.get("price_range"))
    customer.preferred_strain_types = effective.get("strain_types")


def _numeric_range(bounds: Sequence[Any] | None) -> NumericRange | None:
    """Return the range column value for two numbers, both bounds included."""
    if not bounds:
        return None
    lower, upper = bounds
    return NumericRange(Decimal(str(lower)), Decimal(str(upper)), "[]")


def _purchase_lines(customer: CustomerProfile, now: datetime) -> Sequence[Mapping[str, Any]]:
    rows = Purchase.objects.filter(
        customer=customer, purchased_at__gt=now - HISTORY_WINDOW
    ).order_by("-purchased_at")
    return list(
        rows.values(
            "quantity",
            "unit_price",
            thc=F("product__thc_percentage"),
            cbd=F("product__cbd_percentage"),
            strain_type=F("product__strain_type"),
        )[:MAX_PURCHASE_LINES]
    )


def _derive(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    derived: dict[str, Any] = {}
    for field, column in _RANGE_COLUMNS.items():
        values = [
            float(line[column])
            for line in lines
            if line[column] is not None
            for _ in range(max(line["quantity"], 0))
        ]
        if len(values) >= _MIN_VALUES:
            derived[field] = [round(float(bound), 2) for bound in np.quantile(values, _QUANTILES)]
    counts = Counter[str]()
    for line in lines:
        if line["strain_type"]:
            counts[line["strain_type"]] += line["quantity"]
    total = sum(counts.values())
    if total >= _MIN_VALUES:
        derived["strain_types"] = sorted(
            strain_type for strain_type, count in counts.items() if count >= _MIN_TYPE_SHARE * total
        )
    return {field: value for field, value in derived.items() if value}


def _order_statistics(customer: CustomerProfile, now: datetime) -> tuple[int, Decimal | None]:
    """Return the orders in the last 90 days, and the dollars per order in 12 months."""
    is_recent = Q(purchased_at__gt=now - _FREQUENCY_WINDOW)
    totals = Purchase.objects.filter(
        customer=customer, purchased_at__gt=now - HISTORY_WINDOW
    ).aggregate(
        recent_orders=Count("order_id", distinct=True, filter=is_recent),
        orders=Count("order_id", distinct=True),
        dollars=Sum(F("quantity") * F("unit_price")),
    )
    if not totals["orders"]:
        return totals["recent_orders"], None
    average = totals["dollars"] / totals["orders"]
    return totals["recent_orders"], average.quantize(Decimal("0.01"))
