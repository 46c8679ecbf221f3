"""A row of each model that has a console page."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, IntervalSchedule

from biometrics.models import StoreGroup
from catalog.models import (
    CatalogSource,
    LicenceHolder,
    MatchDecision,
    Product,
    ReviewItem,
    SearchWeights,
    Store,
)
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import correct_products
from catalog.services.product_imports import read_import, upload_product_sheet
from competitors.models import (
    CompetitorOffer,
    MinimumPrice,
    OfferMatch,
    PriceApproval,
    PriceGuardSettings,
)
from config.roles import install_roles
from config.schedule_sync import install_schedule
from mlops.models import (
    Alert,
    AlertSubscription,
    DriftMeasurement,
    DriftReference,
    LegalHold,
    MetricThreshold,
    OutcomeCount,
    QualityFinding,
    Webhook,
    WebhookDelivery,
)
from mlops.pipelines.runner import run_source
from mlops.privacy.erasure import erase
from mlops.privacy.retention import sweep
from mlops.quality.integrity_check import check_integrity
from mlops.streams.webhooks import save_with_new_secret
from tests.factories.biometrics import create_face_customer, enable_biometrics, enroll_customer
from tests.factories.catalog import StoreStockFactory
from tests.factories.competitors import CompetitorOfferFactory, PriceHistoryFactory
from tests.factories.config import create_api_key
from tests.factories.customers import (
    BusinessRuleFactory,
    ChatMessageFactory,
    CustomerFactory,
    RecommendationFactory,
    RecommendationFeedbackFactory,
    StoreRepeatStatisticsFactory,
    rank_by_popularity,
    record_purchases,
)
from tests.factories.experiments import ExperimentFactory
from tests.factories.mlops import InboxEventFactory, QuarantinedRecordFactory, SystemMetricFactory
from tests.factories.registry import ModelVersionFactory
from tests.factories.vectors import VectorIndexFactory
from tests.integration.competitors.price_suggestions import create_suggestion
from tests.samples.suppliers.server import SampleSupplier


def create_rows(supplier: SampleSupplier) -> User:
    """
    Create a row of every model of the console; return the superuser who has edited some of them.

    Products, listings, raw records, runs and lineage come from a sync with the sample supplier.
    """
    staff = User.objects.create_superuser("editor")
    install_roles()
    install_schedule()
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", limit=24)
    _create_catalogue_work(staff)
    _create_competitors(staff)
    _create_customers(staff)
    _create_models()
    _create_engine_rows(staff)
    check_integrity(tables=["products"])
    return staff


def _create_catalogue_work(staff: User) -> None:
    product, other = Product.objects.order_by("name")[:2]
    for listed in Product.objects.order_by("name"):
        StoreStockFactory.create(product=listed, store__code="queen-west")
    correct_products(
        changes={product.pk: {"price": Decimal("27.45")}}, by=staff, reason="price tag"
    )
    ReviewItem.objects.create(
        product=product,
        field="price",
        source="ocs",
        previous_source_value="28.95",
        current_source_value="29.95",
    )
    left_key, right_key = sorted((product.merge_key, other.merge_key))
    MatchDecision.objects.create(
        left_key=left_key,
        right_key=right_key,
        score=Decimal(80),
        reasons=["words"],
        algorithm="1",
    )
    LicenceHolder.objects.create(
        source="hc", external_id="1", name="Acorn Cannabis Inc.", content_hash="0" * 64
    )
    sheet = SimpleUploadedFile("prices.csv", f"sku,price\n{other.sku},19.95\n".encode())
    product_import = upload_product_sheet(file=sheet, by=staff)
    read_import(import_id=product_import.pk)
    CatalogSource.objects.create(
        code="north",
        label="North",
        kind="sheet",
        file=default_storage.save("lists/north.csv", ContentFile(b"Name,Price\nPink Kush,29.95\n")),
    )
    SearchWeights.objects.create(note="Products in stock first", set_by=staff)


def _create_competitors(staff: User) -> None:
    product = Product.objects.order_by("name")[0]
    suggestion = create_suggestion()
    PriceHistoryFactory.create(product=suggestion.product, competitor="shop-1")
    offer = CompetitorOfferFactory.create(
        match_status=CompetitorOffer.MatchStatus.PROPOSED, match_score=Decimal(80)
    )
    OfferMatch.objects.create(offer=offer, product=product, score=Decimal(80), algorithm="1")
    MinimumPrice.objects.create(
        province="ON",
        basis="gram",
        amount=Decimal("3.00"),
        effective_on="2026-01-01",
        source="AGCO",
    )
    PriceGuardSettings.objects.create(effective_on="2026-01-01")
    PriceApproval.objects.create(
        product=product, new_price=Decimal("24.95"), decision="approved", decided_by=staff
    )


def _create_customers(staff: User) -> None:
    product = Product.objects.order_by("name")[0]
    customer = CustomerFactory.create(external_id="L-1042", verified=True, consenting=True)
    record_purchases(customer, product, store=Store.objects.get(code="queen-west"), times=3)
    ChatMessageFactory.create()
    BusinessRuleFactory.create(name="Not in gift sets")
    StoreRepeatStatisticsFactory.create()
    rank_by_popularity([product], store=Store.objects.get(code="queen-west"))
    recommendation = RecommendationFactory.create(products=[product.pk])
    RecommendationFeedbackFactory.create(recommendation_id=recommendation.id, product_id=product.pk)
    enable_biometrics()
    enroll_customer(create_face_customer())
    StoreGroup.objects.create(code="downtown", name="Downtown", province="ON")
    LegalHold.objects.create(subject=customer.pk, reason="claim 12/26", set_by=staff)
    erase(subject=CustomerFactory.create().pk, requested_by="user:editor", reason="letter")
    sweep()


def _create_models() -> None:
    version = ModelVersionFactory.create()
    reference = DriftReference.objects.create(
        version=version,
        kind="feature",
        name="a",
        position=0,
        histogram={"edges": [0.0, 1.0], "counts": [10, 20, 10]},
    )
    now = timezone.now()
    DriftMeasurement.objects.create(
        reference=reference,
        day=now.date(),
        since=now - timedelta(days=7),
        until=now,
        row_count=40,
        counts=[10, 20, 10],
        psi=0.02,
        outcome="stable",
    )
    OutcomeCount.objects.create(
        model="sample", metric="clicks", version="1", day=now.date(), trials=100, successes=7
    )
    ExperimentFactory.create()
    VectorIndexFactory.create(collection="products")


def _create_engine_rows(staff: User) -> None:
    create_api_key()
    IntervalSchedule.objects.create(every=5, period=IntervalSchedule.MINUTES)
    ClockedSchedule.objects.create(clocked_time=timezone.now())
    Alert.objects.create(code="stale", subject="ocs", message="No data for 26 hours")
    AlertSubscription.objects.create(user=staff, severities=["error"])
    QualityFinding.objects.create(
        rule="price_positive",
        severity="error",
        table_name="products",
        row_id=uuid4(),
        message="price is 0",
    )
    QuarantinedRecordFactory.create(payload={"name": "", "price": "29.95"})
    InboxEventFactory.create()
    SystemMetricFactory.create()
    MetricThreshold.objects.create(name="temperature", value=25)
    webhook = Webhook(name="Web shop", url="https://shop.example/hook", event_types=["price"])
    save_with_new_secret(webhook)
    WebhookDelivery.objects.create(
        webhook=webhook,
        event_id=uuid4(),
        type="price",
        data={"sku": "P-1"},
        occurred_at=timezone.now(),
    )
