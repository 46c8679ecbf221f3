"""Object storage: files under STATE_DIR, or S3 when a bucket is configured."""

from typing import Any

from config.env import ENV


def _files() -> dict[str, Any]:
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(ENV.state_dir / "objects"),
            # Training sets and exports contain data of persons.
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def _s3() -> dict[str, Any]:
    from botocore.config import Config

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": ENV.aws_storage_bucket_name,
            "endpoint_url": ENV.aws_s3_endpoint_url or None,
            "region_name": ENV.aws_s3_region_name,
            "default_acl": None,
            "file_overwrite": True,
            "client_config": Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"total_max_attempts": 4, "mode": "standard"},
            ),
        },
    }


BACKUP_PASSPHRASE = ENV.backup_passphrase
STORAGES = {
    "default": _s3() if ENV.aws_storage_bucket_name else _files(),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
