"""Biometrics: where the master keys of face templates come from, and how often faces are read."""

from config.env import ENV

BIOMETRIC_KEY_SOURCE = ENV.biometric_key_source
BIOMETRIC_KEYS = ENV.biometric_keys
BIOMETRIC_KEY_FILE = ENV.biometric_key_file
AWS_KMS_ENDPOINT_URL = ENV.aws_kms_endpoint_url
AWS_KMS_REGION_NAME = ENV.aws_s3_region_name
# Requests with a photo of one API key, and of one of its devices.
FACE_RATE_BY_CLIENT = "120/min"
FACE_RATE_BY_DEVICE = "20/min"
