"""The console's pages about people."""

from customers.admin import chats, profiles, rules, scenarios, shelves, texts  # noqa: F401  # registers them
