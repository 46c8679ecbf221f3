"""Local development: plain HTTP on the loopback address."""

from split_settings.tools import include

from config.settings.subjects import SUBJECTS

include(*SUBJECTS)
