"""The console's pages about people."""

from customers.admin import chats, habits, profiles, rules, scenarios, shelves, texts  # noqa: F401  # registers them
