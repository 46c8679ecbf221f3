"""The console's pages about people."""

from customers.admin import chats, profiles, texts  # noqa: F401  # registers them
