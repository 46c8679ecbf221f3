"""Addresses of the catalogue's API."""

from rest_framework.routers import SimpleRouter

from catalog.api.search import ProductSearchViewSet
from catalog.api.views import ProductViewSet

router = SimpleRouter()
router.trailing_slash = "/?"  # both ways of writing an address answer; neither redirects
router.register(
    "products/search", ProductSearchViewSet, basename="product-search"
)  # before a product named search
router.register("products", ProductViewSet)
urlpatterns = router.urls
