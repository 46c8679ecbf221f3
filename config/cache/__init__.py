"""Answers as they were rendered, kept near in the process and far in Redis, until what they rest on changes."""

from config.cache.responses import Answers
from config.cache.serialization import Rendered

__all__ = ["Answers", "Rendered"]
