"""Competitors: what is compared with our own prices."""

from config.env import ENV

OWN_PRICES_INCLUDE_TAX_IN = frozenset(ENV.own_prices_include_tax_in)
