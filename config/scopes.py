"""Scopes of API keys, and the provinces and stores that a key is bound to."""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """Permission of API keys; every operation of the REST API requires one of these."""

    CATALOG_READ = "catalog:read", _("Read and search products and stores")
    CATALOG_WRITE = "catalog:write", _("Create and correct products")
    EVENTS_WRITE = "events:write", _("Send events and feedback on recommendations")
    EVENTS_ADMIN = "events:admin", _("Send events of other systems, such as prices")
    CUSTOMERS_READ = "customers:read", _("Read customers and their history")
    CUSTOMERS_WRITE = "customers:write", _("Register and correct customers, record consents")
    CHAT_READ = "chat:read", _("Read chat sessions and messages")
    CHAT_WRITE = "chat:write", _("Open chat sessions and append messages")
    PRIVACY_READ = "privacy:read", _("Export the personal data of a customer")
    PRIVACY_WRITE = "privacy:write", _("Erase customers")
    RECOMMENDATIONS_READ = "recommendations:read", _("Read recommendations")
    PRICES_READ = "prices:read", _("Read competitors' prices and price positions")
    BIOMETRICS_ENROLL = "biometrics:enroll", _("Enroll faces, and withdraw them")
    BIOMETRICS_VERIFY = "biometrics:verify", _("Compare a face with that of one customer")
    BIOMETRICS_IDENTIFY = "biometrics:identify", _("Find the customer that a face belongs to")
    MODELS_READ = "models:read", _("Read model versions and deployments")


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """
    Provinces and stores that an API key is bound to; empty sets: bound to none in particular.

    A key with stores reaches those stores alone; one with provinces reaches what belongs to them.
    """

    provinces: frozenset[str] = frozenset()
    store_codes: frozenset[str] = frozenset()

    @property
    def is_bound(self) -> bool:
        """Whether there is anything that the key does not reach."""
        return bool(self.provinces or self.store_codes)

    def allows_province(self, province: str) -> bool:
        """Return whether the key reaches what belongs to a province; "": to none."""
        return not self.provinces or not province or province in self.provinces

    def allows_store(self, code: str, province: str) -> bool:
        """Return whether the key reaches a store, by its code and province."""
        is_allowed = not self.store_codes or code in self.store_codes
        return is_allowed and self.allows_province(province)
