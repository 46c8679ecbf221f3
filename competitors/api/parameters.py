"""Query parameters of competitors' prices."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from catalog.ingest.vocabulary import CATEGORIES
from catalog.reference.provinces import PROVINCES
from competitors.api.examples import PRODUCT_ID
from competitors.selectors.price_position import POSITIONS, SORTS, PositionFilters
from competitors.selectors.price_series import STEPS, Step
from config.api.keys import ApiClient
from config.errors import BadInput

_DEFAULT_DAYS = 90
_MAX_DAYS = 3 * 366
_MAX_TEXT_LENGTH = 200
_CATEGORIES = sorted(set(CATEGORIES.values()))
_SORT_CHOICES = [*SORTS, *(f"-{sort}" for sort in SORTS)]

PRODUCT_ID_PARAMETER = OpenApiParameter(
    "id",
    {"type": "string", "format": "uuid"},
    OpenApiParameter.PATH,
    description="Product id; also the id of a product that was merged into another.",
    examples=[OpenApiExample("Example", value=PRODUCT_ID)],
)
HISTORY_PARAMETERS = [
    OpenApiParameter(
        "from",
        {"type": "string", "format": "date"},
        description=f"First day; default: {_DEFAULT_DAYS} days before `to`.",
    ),
    OpenApiParameter(
        "to", {"type": "string", "format": "date"}, description="Last day; default: today."
    ),
    OpenApiParameter("step", str, enum=STEPS, description="Length of a step; default `day`."),
]
POSITION_PARAMETERS = [
    OpenApiParameter(
        "province",
        str,
        enum=sorted(PROVINCES),
        description="Province of the competitors' locations and of our price; default: that of"
        " the key, else all.",
    ),
    OpenApiParameter("competitor", str, description="Code of the only competitor to compare."),
    OpenApiParameter(
        "location_id",
        {"type": "string", "format": "uuid"},
        description="Id of the only location to compare.",
    ),
    OpenApiParameter("brand", str, description="Brand of the products."),
    OpenApiParameter(
        "category",
        str,
        description=f"Categories, separated by commas: {', '.join(_CATEGORIES)}.",
    ),
    OpenApiParameter(
        "position", str, enum=POSITIONS, description="Our price beside the median of competitors."
    ),
    OpenApiParameter("search", str, description="Part of the product's name."),
    OpenApiParameter(
        "sort",
        str,
        enum=_SORT_CHOICES,
        description="Sort column, with `-` in descending order; default `name`. Products without"
        " a value come last.",
    ),
]


def parse_sort(params: Mapping[str, str]) -> str:
    """Return the sort column. Raises BadInput: unknown."""
    return _choice(params, "sort", _SORT_CHOICES) or "name"


def parse_filters(params: Mapping[str, str], client: ApiClient) -> PositionFilters:
    """Return the filters of a request, within the province of its key. Raises BadInput."""
    position = _choice(params, "position", POSITIONS)
    return PositionFilters(
        province=_parse_province(params, client),
        competitor=_text(params, "competitor"),
        location=parse_uuid(params["location_id"], "location_id")
        if "location_id" in params
        else None,
        brand=_text(params, "brand"),
        categories=_parse_categories(params),
        position=next((known for known in POSITIONS if known == position), None),
        search=_text(params, "search"),
    )


def parse_period(params: Mapping[str, str]) -> tuple[date, date, Step]:
    """Return first day, last day and step. Raises BadInput."""
    end = _parse_date(params, "to") or timezone.localdate()
    start = _parse_date(params, "from") or end - timedelta(days=_DEFAULT_DAYS)
    if start > end:
        raise BadInput("from", gettext("is after `to`"))
    if (end - start).days > _MAX_DAYS:
        raise BadInput(
            "from", gettext("is more than %(maximum)s days before `to`") % {"maximum": _MAX_DAYS}
        )
    chosen = _choice(params, "step", STEPS) or "day"
    return start, end, next(step for step in STEPS if step == chosen)


def parse_uuid(text: str, field: str) -> UUID:
    """Return the UUID of a parameter. Raises BadInput."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput(field, gettext("must be a UUID")) from None


def _parse_province(params: Mapping[str, str], client: ApiClient) -> str:
    province = _choice(params, "province", sorted(PROVINCES))
    if not client.binding.allows_province(province):
        bound = ", ".join(sorted(client.binding.provinces))
        raise BadInput(
            "province",
            gettext("is outside %(provinces)s, the provinces of this key") % {"provinces": bound},
            "forbidden",
        )
    return province or bound_province(client, "province")


def bound_province(client: ApiClient, field: str) -> str:
    """
    Return the only province that a key is bound to; empty for a key that is not bound.

    Raises BadInput that names a field for a key with several: competitors' prices are compared in
    one province, or in all.
    """
    if len(client.key.provinces) > 1:
        reason = gettext("is required, as the key is bound to several provinces or stores")
        raise BadInput(field, reason, "required")
    return client.key.province


def _parse_categories(params: Mapping[str, str]) -> list[str]:
    names = [name.strip() for name in params.get("category", "").split(",") if name.strip()]
    for name in names:
        if name not in _CATEGORIES:
            raise BadInput(
                "category", gettext("must be of %(choices)s") % {"choices": ", ".join(_CATEGORIES)}
            )
    return names


def _parse_date(params: Mapping[str, str], name: str) -> date | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(name, gettext("must be a date such as 2026-11-28")) from None


def _choice(params: Mapping[str, str], name: str, choices: "tuple[str, ...] | list[str]") -> str:
    value = params.get(name, "")
    if name in params and value not in choices:
        raise BadInput(
            name, gettext("must be one of %(choices)s") % {"choices": ", ".join(choices)}
        )
    return value


def _text(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, "")
    if "\x00" in value:
        raise BadInput(name, gettext("must not contain a null character"))
    if len(value) > _MAX_TEXT_LENGTH:
        raise BadInput(
            name,
            gettext("must have at most %(maximum)s characters") % {"maximum": _MAX_TEXT_LENGTH},
        )
    return value
