"""Query parameters of the recommendation endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from catalog.selectors import product_ids_by_reference
from catalog.selectors.stores import find_store
from config.api.keys import ApiClient, Audience
from config.api.parameters import parse_integer, reject_unknown_parameters
from config.errors import BadInput
from customers.models import Scenario
from customers.recommendations import RecommendationRequest

MAX_RESULTS = 50
_DEFAULT_RESULTS = 10
_MAX_BASKET_PRODUCTS = 50
_MAX_SESSION_LENGTH = 100
_MAX_PRICE = 100_000
_VIEWED_PRODUCT_SCENARIOS = (Scenario.Name.PRODUCT, Scenario.Name.SUBSTITUTE)


def _example(value: object) -> list[OpenApiExample]:
    return [OpenApiExample("Example", value=value)]


CUSTOMER_ID_PARAMETER = OpenApiParameter(
    "customer_id",
    {"type": "string", "format": "uuid"},
    OpenApiParameter.PATH,
    description="Customer id, as returned by `GET /customers/by-external-id/`.",
    examples=_example("0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b"),
)
SESSION_ID_PARAMETER = OpenApiParameter(
    "session_id",
    str,
    description=(
        "Session of the customer, at most 100 characters. In the scenario `basket` without the "
        "parameter `basket`, the basket is read from the events of this session. Treat it as a "
        "secret: anyone who sends it receives recommendations for its basket."
    ),
    examples=_example("session-7f3c"),
)
PARAMETERS = [
    OpenApiParameter(
        "scenario",
        str,
        enum=Scenario.Name.values,
        description=(
            "Placement of the recommendations; default `home`. `product` and `substitute` need "
            "`product_id`, `basket` needs `basket` or a session; `lookup` is for staff keys."
        ),
        examples=_example("home"),
    ),
    OpenApiParameter(
        "store_code",
        str,
        description=(
            "Store whose stock and province apply. Without it, products in stock in any store of "
            "the province of the key or of the customer are recommended."
        ),
        examples=_example("queen-west"),
    ),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "default": _DEFAULT_RESULTS},
        description="Maximum number of products.",
        examples=_example(10),
    ),
    OpenApiParameter(
        "product_id",
        str,
        description=(
            "Id or SKU of the viewed product (scenario `product`) or of the product to replace "
            "(scenario `substitute`)."
        ),
        examples=_example("BD-35-INDICA"),
    ),
    OpenApiParameter(
        "basket",
        str,
        description=(
            "Ids or SKUs of the products in the basket, separated by commas, at most "
            f"{_MAX_BASKET_PRODUCTS} (scenario `basket`)."
        ),
        examples=_example("BD-35-INDICA,PK-10-GUMMIES"),
    ),
    OpenApiParameter(
        "price_min", float, description="Lowest price in CAD.", examples=_example(10.0)
    ),
    OpenApiParameter(
        "price_max", float, description="Highest price in CAD.", examples=_example(45.5)
    ),
    OpenApiParameter(
        "language",
        str,
        enum=["en", "fr"],
        description=(
            "Language of title and reasons. Default: the language of the customer, otherwise "
            "French in Quebec and English elsewhere."
        ),
        examples=_example("en"),
    ),
]
_PARAMETER_NAMES = frozenset(parameter.name for parameter in PARAMETERS)


@dataclass(frozen=True, slots=True)
class RecommendationParameters:
    """A recommendation request, and the response language; empty: the default language."""

    request: RecommendationRequest
    language: str


def parse_parameters(
    params: Mapping[str, str], *, customer_id: UUID | None, client: ApiClient
) -> RecommendationParameters:
    """Return the parameters of a recommendation request. Raises BadInput."""
    known = _PARAMETER_NAMES if customer_id else _PARAMETER_NAMES | {SESSION_ID_PARAMETER.name}
    reject_unknown_parameters(params, known=set(known))
    if "\x00" in "".join(params.values()):
        raise BadInput("", gettext("must not contain a null character"))
    scenario = params.get("scenario", Scenario.Name.HOME)
    if scenario not in Scenario.Name.values:
        raise BadInput(
            "scenario",
            gettext("must be one of %(choices)s") % {"choices": ", ".join(Scenario.Name.values)},
        )
    if scenario == Scenario.Name.LOOKUP and client.audience < Audience.STAFF:
        raise BadInput("scenario", gettext("lookup requires a key with the audience staff"))
    language = params.get("language", "")
    if language not in ("", "en", "fr"):
        raise BadInput("language", gettext("must be en or fr"))
    session_id = params.get("session_id", "")
    if len(session_id) > _MAX_SESSION_LENGTH:
        raise BadInput(
            "session_id",
            gettext("must have at most %(maximum)s characters") % {"maximum": _MAX_SESSION_LENGTH},
        )
    min_price = _parse_price(params, "price_min")
    max_price = _parse_price(params, "price_max")
    if min_price is not None and max_price is not None and min_price > max_price:
        raise BadInput("price_min", gettext("must not be above price_max"))
    limit = parse_integer(
        params.get("limit"),
        field="limit",
        default=_DEFAULT_RESULTS,
        minimum=1,
        maximum=MAX_RESULTS,
    )
    return RecommendationParameters(
        RecommendationRequest(
            scenario=scenario,
            customer=customer_id,
            session=session_id,
            store=_find_store(
                params.get("store_code", ""), client, is_anonymous=customer_id is None
            ),
            province=client.key.province if client.key.province in PROVINCES else "",
            products=_parse_products(params, scenario, session_id),
            min_price=min_price,
            max_price=max_price,
            limit=limit,
        ),
        language,
    )


def _find_store(code: str, client: ApiClient, *, is_anonymous: bool) -> Store | None:
    """
    Return the requested store, or the only one that the key is bound to.

    Raises BadInput for an unknown store, for one that the key does not reach, and when the key is
    bound to several stores, or for visitors to several provinces, and none is requested.
    """
    binding = client.binding
    if not code and len(binding.store_codes) == 1:
        (code,) = binding.store_codes
    if not code:
        if binding.store_codes or (is_anonymous and len(binding.provinces) > 1):
            reason = gettext("is required, as the key is bound to several provinces or stores")
            raise BadInput("store_code", reason, "required")
        return None
    store = find_store(code)
    if store is None:
        raise BadInput("store_code", gettext("store not found"), "unknown")
    if not binding.allows_province(store.province):
        provinces = ", ".join(sorted(binding.provinces))
        raise BadInput(
            "store_code",
            gettext("is outside %(provinces)s, the provinces of this key")
            % {"provinces": provinces},
            "forbidden",
        )
    if not binding.allows_store(store.code, store.province):
        reason = gettext("is outside the provinces and stores of this key")
        raise BadInput("store_code", reason, "forbidden")
    return store


def _parse_products(params: Mapping[str, str], scenario: str, session_id: str) -> tuple[UUID, ...]:
    """
    Return the viewed product or the products in the basket, without duplicates.

    Raises BadInput for a parameter that the scenario does not use, for a missing one, and for an
    unknown product.
    """
    expected = _product_parameter(scenario)
    for name in ("product_id", "basket"):
        if params.get(name) and name != expected:
            raise BadInput(
                name,
                gettext("does not apply to the scenario %(scenario)s") % {"scenario": scenario},
            )
    if not expected:
        return ()
    references = [text.strip() for text in params.get(expected, "").split(",") if text.strip()]
    if not references:
        if expected == "basket" and session_id:
            return ()
        raise BadInput(
            expected, gettext("is required in the scenario %(scenario)s") % {"scenario": scenario}
        )
    if expected == "product_id" and len(references) > 1:
        raise BadInput("product_id", gettext("must be a single product"))
    if len(references) > _MAX_BASKET_PRODUCTS:
        raise BadInput(
            "basket",
            gettext("must have at most %(maximum)s products") % {"maximum": _MAX_BASKET_PRODUCTS},
        )
    product_ids = product_ids_by_reference(references)
    for reference in references:
        if reference not in product_ids:
            raise BadInput(
                expected, gettext("product %(reference)s not found") % {"reference": reference[:50]}
            )
    return tuple(dict.fromkeys(product_ids[reference] for reference in references))


def _product_parameter(scenario: str) -> str:
    """Return the name of the parameter that carries the products of a scenario; empty if none."""
    if scenario in _VIEWED_PRODUCT_SCENARIOS:
        return "product_id"
    return "basket" if scenario == Scenario.Name.BASKET else ""


def _parse_price(params: Mapping[str, str], name: str) -> Decimal | None:
    text = params.get(name)
    if not text:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price <= _MAX_PRICE:
        raise BadInput(
            name,
            gettext("must be an amount in CAD from 0 to %(maximum)s") % {"maximum": _MAX_PRICE},
        )
    return price
