"""Answers as they were rendered, kept near in the process and far in Redis, until what they rest on changes."""

from config.caching.answers import Answers
from config.caching.rendered import Rendered

__all__ = ["Answers", "Rendered"]
