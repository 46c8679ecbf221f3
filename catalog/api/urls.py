"""URLs of the catalogue's REST API."""

from rest_framework.routers import SimpleRouter

from catalog.api import problem_types  # noqa: F401  # registers them
from catalog.api.search import ProductSearchViewSet
from catalog.api.stores import StoreViewSet
from catalog.api.views import ProductViewSet

router = SimpleRouter()
router.trailing_slash = "/?"  # both forms respond without a redirect
# Search is registered first, so that "search" is not read as a product id.
router.register("products/search", ProductSearchViewSet, basename="product-search")
router.register("products", ProductViewSet)
router.register("stores", StoreViewSet)
urlpatterns = router.urls
