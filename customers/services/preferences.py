"""
What a person prefers: as they state it, else as their purchases tell it.

Derived from at most the last 200 lines of 12 months: ranges are the middle 80 % of what was bought, types those that make
a fifth of it or more. Only for those who agreed to be profiled.
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

from customers.models import Consent, ConsentText, CustomerProfile, Purchase

LINES = 200
MONTHS = timedelta(days=365)
_QUANTILES = (0.1, 0.9)
_LEAST_LINES = 3
_TYPE_SHARE = 0.2
_FREQUENCY_DAYS = 90
_BATCH = 200


def derive_due() -> int:
    """Derive anew for those who have bought since; return for how many. A row another process works on is left to it."""
    done = 0
    while True:
        with transaction.atomic():
            due = list(
                CustomerProfile.objects.select_for_update(skip_locked=True).filter(is_due=True)[
                    :_BATCH
                ]
            )
            for customer in due:
                derive(customer)
        done += len(due)
        if len(due) < _BATCH:
            return done


def derive(customer: CustomerProfile, *, now: datetime | None = None) -> None:
    """Derive the preferences of one, who must be locked; nothing of those who have not agreed."""
    moment = now or timezone.now()
    open_purposes = set(
        Consent.objects.filter(customer=customer, withdrawn_at=None).values_list(
            "purpose", flat=True
        )
    )
    may = {ConsentText.Purpose.HISTORY, ConsentText.Purpose.PROFILING} <= open_purposes
    lines: Sequence[Mapping[str, Any]] = _lines(customer, moment) if may else []
    customer.derived = _told(lines)
    customer.purchase_frequency, customer.avg_spending = (
        _habits(customer, moment) if may else (None, None)
    )
    customer.is_due = False
    settle(customer)
    customer.save()


def settle(customer: CustomerProfile) -> None:
    """Set what holds: what was stated, else what was derived."""
    holds = {**customer.derived, **customer.stated}
    customer.preferred_thc_range = _range(holds.get("thc_range"))
    customer.preferred_cbd_range = _range(holds.get("cbd_range"))
    customer.preferred_price_range = _range(holds.get("price_range"))
    customer.preferred_strain_types = holds.get("strain_types")


def _range(told: Sequence[Any] | None) -> NumericRange | None:
    """Return the column's value of two numbers, both ends included."""
    return NumericRange(Decimal(str(told[0])), Decimal(str(told[1])), "[]") if told else None


def _lines(customer: CustomerProfile, now: datetime) -> Sequence[Mapping[str, Any]]:
    rows = Purchase.objects.filter(customer=customer, purchased_at__gt=now - MONTHS).order_by(
        "-purchased_at"
    )
    return list(
        rows.values(
            "quantity",
            "unit_price",
            thc=F("product__thc_percentage"),
            cbd=F("product__cbd_percentage"),
            strain_type=F("product__strain_type"),
        )[:LINES]
    )


def _told(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for field, column in (
        ("thc_range", "thc"),
        ("cbd_range", "cbd"),
        ("price_range", "unit_price"),
    ):
        values = [
            float(line[column])
            for line in lines
            if line[column] is not None
            for _ in range(max(line["quantity"], 0))
        ]
        if len(values) >= _LEAST_LINES:
            told[field] = [round(float(end), 2) for end in np.quantile(values, _QUANTILES)]
    types = Counter[str]()
    for line in lines:
        if line["strain_type"]:
            types[line["strain_type"]] += line["quantity"]
    if sum(types.values()) >= _LEAST_LINES:
        told["strain_types"] = sorted(
            t for t, n in types.items() if n >= _TYPE_SHARE * sum(types.values())
        )
    return {field: value for field, value in told.items() if value}


def _habits(customer: CustomerProfile, now: datetime) -> tuple[int, Decimal | None]:
    """Return orders in the last 90 days, and dollars an order in 12 months."""
    recent = Q(purchased_at__gt=now - timedelta(days=_FREQUENCY_DAYS))
    found = Purchase.objects.filter(customer=customer, purchased_at__gt=now - MONTHS).aggregate(
        recent=Count("order_id", distinct=True, filter=recent),
        orders=Count("order_id", distinct=True),
        dollars=Sum(F("quantity") * F("unit_price")),
    )
    mean = (
        (found["dollars"] / found["orders"]).quantize(Decimal("0.01")) if found["orders"] else None
    )
    return found["recent"], mean
