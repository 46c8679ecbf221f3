"""What may be asked of recommendations, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter

from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from catalog.selectors import products_named
from config.api.conventions import refuse_unknown, whole_number
from config.api.keys import ApiClient, Audience
from config.errors import BadInput
from customers.models import Scenario
from customers.recommendations.request import Question

MOST, _MOST_IN_BASKET, _LONGEST_SESSION = 50, 50, 100
_LOOKED_AT = (Scenario.Name.PRODUCT, Scenario.Name.SUBSTITUTE)
PARAMETERS = [
    OpenApiParameter(
        "scenario",
        str,
        enum=Scenario.Name.values,
        description="home unless told; lookup is for staff",
    ),
    OpenApiParameter("store", str, description="code; else what any store of the province has"),
    OpenApiParameter("limit", int, description=f"1–{MOST}, 10 unless told"),
    OpenApiParameter("product", str, description="id or SKU of what is looked at, or sold out"),
    OpenApiParameter("basket", str, description="ids or SKUs in the basket, comma separated"),
    OpenApiParameter("min_price", float, description="dollars"),
    OpenApiParameter("max_price", float, description="dollars"),
    OpenApiParameter(
        "lang", str, enum=["en", "fr"], description="of reasons and title; else the person's"
    ),
]
SESSION = OpenApiParameter(
    "session",
    str,
    description="a visit, which is a secret: whoever tells it sees what goes with its basket",
)
CUSTOMER = OpenApiParameter(
    "customer_id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH
)
_NAMES = frozenset(parameter.name for parameter in PARAMETERS)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and in which language it is to be answered; empty: the person's."""

    question: Question
    language: str


def read(params: Mapping[str, str], *, customer: UUID | None, client: ApiClient) -> Asked:
    """Read a question. Raises BadInput."""
    refuse_unknown(params, known=set(_NAMES if customer else _NAMES | {"session"}))
    if "\x00" in "".join(params.values()):
        raise BadInput("", "must not hold a null character")
    scenario = params.get("scenario", Scenario.Name.HOME)
    if scenario not in Scenario.Name.values:
        raise BadInput("scenario", f"must be one of {', '.join(Scenario.Name.values)}")
    if scenario == Scenario.Name.LOOKUP and client.audience < Audience.STAFF:
        raise BadInput("scenario", "lookup is for staff")
    language = params.get("lang", "")
    if language not in ("", "en", "fr"):
        raise BadInput("lang", "must be en or fr")
    session = params.get("session", "")
    if len(session) > _LONGEST_SESSION:
        raise BadInput("session", f"must have at most {_LONGEST_SESSION} characters")
    least, most = _price(params, "min_price"), _price(params, "max_price")
    if least is not None and most is not None and least > most:
        raise BadInput("min_price", "must not be above max_price")
    store = _store(params.get("store", ""), client)
    return Asked(
        Question(
            scenario=scenario,
            customer=customer,
            session=session,
            store=store,
            province=_province(client),
            products=_products(params, scenario, session),
            least_price=least,
            most_price=most,
            limit=whole_number(params.get("limit"), field="limit", default=10, low=1, high=MOST),
        ),
        language,
    )


def _store(code: str, client: ApiClient) -> Store | None:
    if not code:
        return None
    store = Store.objects.filter(code=code[:50]).first()
    if store is None:
        raise BadInput("store", "is not known")
    if client.key.province and store.province != client.key.province:
        raise BadInput("store", f"is not in {client.key.province}, for which this key is")
    return store


def _province(client: ApiClient) -> str:
    return client.key.province if client.key.province in PROVINCES else ""


def _products(params: Mapping[str, str], scenario: str, session: str) -> tuple[UUID, ...]:
    """Return what is looked at, or in the basket. Raises BadInput where the scenario needs other than was told."""
    needed = (
        "product"
        if scenario in _LOOKED_AT
        else "basket"
        if scenario == Scenario.Name.BASKET
        else ""
    )
    for name in ("product", "basket"):
        if params.get(name) and name != needed:
            raise BadInput(name, f"means nothing in the scenario {scenario}")
    names = (
        [name.strip() for name in params.get(needed, "").split(",") if name.strip()]
        if needed
        else []
    )
    if not names:
        if needed and not (needed == "basket" and session):
            raise BadInput(needed, f"is needed in the scenario {scenario}")
        return ()
    if needed == "product" and len(names) > 1:
        raise BadInput("product", "must be one")
    if len(names) > _MOST_IN_BASKET:
        raise BadInput("basket", f"must be {_MOST_IN_BASKET} products at most")
    found = products_named(names)
    if unknown := next((name for name in names if name not in found), None):
        raise BadInput(needed, f"product {unknown[:50]} is not known")
    return tuple(dict.fromkeys(found[name] for name in names))


def _price(params: Mapping[str, str], name: str) -> Decimal | None:
    text = params.get(name)
    if not text:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price <= 100_000:
        raise BadInput(name, "must be dollars, 0 to 100000")
    return price
