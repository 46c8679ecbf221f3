"""Which encoder makes the vectors that are built from now on, by role; what serves is searched by what made it."""

from config.env import ENV

TEXT_ENCODER = ENV.text_encoder
MULTILINGUAL_ENCODER = ENV.multilingual_encoder
IMAGE_ENCODER = ENV.image_encoder
ENCODERS = {"text": TEXT_ENCODER, "multilingual": MULTILINGUAL_ENCODER, "image": IMAGE_ENCODER}
