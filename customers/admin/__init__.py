"""The console's pages about people."""

from customers.admin import assortment, chats, profiles, rules, scenarios, statistics, texts  # noqa: F401  # registers them
