"""Biometrics: where the master keys of face templates come from."""

from config.env import ENV

BIOMETRIC_KEY_SOURCE = ENV.biometric_key_source
BIOMETRIC_KEYS = ENV.biometric_keys
BIOMETRIC_KEY_FILE = ENV.biometric_key_file
AWS_KMS_ENDPOINT_URL = ENV.aws_kms_endpoint_url
AWS_KMS_REGION_NAME = ENV.aws_s3_region_name
