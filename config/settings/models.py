"""
Encoders of new vector indexes, by role, and the slowest ranking that a model may have.

An existing index is searched with its own encoder.
"""

from config.env import ENV

TEXT_ENCODER = ENV.text_encoder
MULTILINGUAL_ENCODER = ENV.multilingual_encoder
IMAGE_ENCODER = ENV.image_encoder
RANKING_MAX_MILLISECONDS = ENV.ranking_max_milliseconds
ENCODERS = {"text": TEXT_ENCODER, "multilingual": MULTILINGUAL_ENCODER, "image": IMAGE_ENCODER}
