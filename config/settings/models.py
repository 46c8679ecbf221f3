"""Encoders of new vector indexes, by role; an existing index is searched with its own encoder."""

from config.env import ENV

TEXT_ENCODER = ENV.text_encoder
MULTILINGUAL_ENCODER = ENV.multilingual_encoder
IMAGE_ENCODER = ENV.image_encoder
ENCODERS = {"text": TEXT_ENCODER, "multilingual": MULTILINGUAL_ENCODER, "image": IMAGE_ENCODER}
