"""A machine of one's own: plain HTTP on the loopback."""

from split_settings.tools import include

from config.settings.subjects import SUBJECTS

include(*SUBJECTS)
