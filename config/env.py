"""Settings from the environment: name, type, default and description."""

import base64
import sys
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """Environment variables; a field's name in upper case is the name of its variable."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", extra="ignore", case_sensitive=False)

    secret_key: str = Field(
        min_length=32, description="key that signs sessions; 50 random characters"
    )
    key_ring: str = Field(
        description="encryption keys, newest first: id:base64-of-32-bytes[,id:...]"
    )
    database_url: str = Field(
        description="PostgreSQL 15 or newer: postgresql://user:password@host:port/name"
    )
    web_database_password: str = Field(
        default="",
        description="password that manage.py create_roles gives the database role of web processes",
    )
    worker_database_password: str = Field(
        default="",
        description="password that manage.py create_roles gives the database role of workers",
    )
    redis_url: str = Field(description="Redis or Valkey: redis://host:port/0")
    milvus_uri: str = Field(description="Milvus, or Milvus Lite as a server: http://host:port")
    milvus_token: str = Field(
        default="", description="user:password or token of Milvus, if it requires one"
    )
    milvus_collection_prefix: str = Field(
        default="",
        pattern=r"^[a-z0-9_]*$",
        description="prefix of collection names, to share one Milvus",
    )
    vectors_exact_below: int = Field(
        default=50_000,
        ge=0,
        description="vector indexes up to this number of rows are searched exactly, without Milvus",
    )
    vectors_fallback_below: int = Field(
        default=200_000,
        ge=0,
        description="up to this number of rows are searched exactly while Milvus is unavailable",
    )
    kafka_bootstrap_servers: str = Field(
        default="", description="Kafka brokers, host:port[,host:port]; empty: no streams"
    )
    kafka_api_version: str = Field(
        default="",
        pattern=r"^(\d+(\.\d+){1,2})?$",
        description="version of the brokers, for example 2.8; empty: detected",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="security protocol of the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="SASL mechanism"
    )
    kafka_sasl_user: str = Field(default="", description="SASL user")
    kafka_sasl_password: str = Field(default="", description="SASL password")
    kafka_ca_file: Path | None = Field(
        default=None, description="file of CA certificates that verify the brokers"
    )
    kafka_group_id: str = Field(default="cultivar", min_length=1, description="consumer group")
    kafka_topic_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="prefix of topic names, to share brokers",
    )
    kafka_dead_letter_suffix: str = Field(
        default=".dead",
        pattern=r"^[A-Za-z0-9._-]{1,50}$",
        description="suffix of dead-letter topics",
    )
    kafka_session_timeout_seconds: int = Field(
        default=30,
        ge=1,
        le=1800,
        description="a consumer without heartbeat for this time is removed from its group",
    )
    kafka_batch_size: int = Field(
        default=2000,
        ge=1,
        le=20_000,
        description="maximum number of events applied in one transaction",
    )
    kafka_lag_alert: int = Field(
        default=100_000,
        ge=1,
        description="consumer lag of a partition, in events, that opens an alert",
    )
    event_ignored_products: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="references on receipts that are no products, such as fees, comma separated;"
        " their lines are neither stored nor quarantined",
    )
    console_time_zone: str = Field(
        default="America/Toronto",
        description="time zone in which the console shows and reads times",
    )
    own_prices_include_tax_in: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="provinces in which our own prices include tax, comma separated",
    )
    aws_storage_bucket_name: str = Field(
        default="", description="S3 bucket of raw records; empty: files in STATE_DIR"
    )
    aws_s3_endpoint_url: str = Field(
        default="", description="endpoint of an S3 service other than Amazon's"
    )
    aws_s3_region_name: str = Field(default="ca-central-1", description="region of the bucket")
    biometric_key_source: Literal["environment", "file", "kms"] = Field(
        default="environment",
        description="where the master keys of face templates come from; kms: BIOMETRIC_KEYS"
        " encrypted by a key management service",
    )
    biometric_keys: str = Field(
        default="",
        description="master keys of face templates, newest first, and the key `rotation`:"
        " id:base64-of-32-bytes[,id:...]; manage.py create_biometric_key prints an entry",
    )
    biometric_key_file: Path | None = Field(
        default=None, description="file with the text of BIOMETRIC_KEYS, for the source file"
    )
    aws_kms_endpoint_url: str = Field(
        default="", description="endpoint of a key management service other than Amazon's"
    )
    backup_passphrase: str = Field(
        default="",
        description="passphrase of key files (manage.py backup --keys FILE), at least 16"
        " characters; set it only where a key file is written",
    )
    alert_emails: Annotated[list[str], NoDecode] = Field(
        default=[], description="recipients of alerts, comma separated"
    )
    alert_webhook_url: str = Field(default="", description="URL that alerts are posted to, as JSON")
    email_url: str = Field(
        default="",
        pattern=r"^(smtps?://.+)?$",
        description="mail server: smtp[s]://user:password@host:port; empty: no mail",
    )
    email_from: str = Field(default="cultivar@localhost", description="sender address of mail")
    crawl_contact: str = Field(
        default="cultivar@localhost",
        pattern=r"^[^\s()<>]{3,100}$",
        description="e-mail or web address that crawled shops can write to, sent with each request",
    )
    state_dir: Path = Field(
        default=ROOT / "var", description="directory of raw records, models and embedded servers"
    )
    models_dir: Path | None = Field(
        default=None, description="directory of model files; empty: STATE_DIR/models"
    )
    text_encoder: str = Field(default="all-MiniLM-L6-v2", description="encoder of product texts")
    multilingual_encoder: str = Field(
        default="use-multilingual-3", description="encoder of queries in English and French"
    )
    image_encoder: str = Field(
        default="clip-vit-base-patch32",
        description="encoder of images, downloaded by fetch_models --image",
    )
    ranking_max_milliseconds: int = Field(
        default=500,
        gt=0,
        description="ceiling of the median time in which a new model ranks one customer's products",
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["127.0.0.1", "localhost"], description="host names served, comma separated"
    )
    csrf_trusted_origins: Annotated[list[str], NoDecode] = Field(
        default=[], description="trusted origins of console forms, comma separated"
    )
    requires_second_factor: bool = Field(
        default=True,
        description="superusers and the roles Privacy officer, Operator and Pricing need a second"
        " factor",
    )
    security_contact: str = Field(
        default="",
        pattern=r"^((mailto:|https://)\S{3,200})?$",
        description="address in security.txt for reports of weaknesses, mailto: or https://; empty:"
        " none",
    )
    breached_passwords_url: str = Field(
        default="",
        pattern=r"^(https://\S+)?$",
        description="range API that new passwords of staff are looked up at, by the first five"
        " characters of their SHA-1: https://api.pwnedpasswords.com/range or a mirror of it; empty:"
        " the list of common passwords alone",
    )
    clamav_address: str = Field(
        default="",
        pattern=r"^([^\s/]+:\d{1,5}|/\S+)?$",
        description="ClamAV's daemon, host:port or the path of its socket, which scans uploaded"
        " files, and raw records before they are downloaded; empty: nothing is scanned",
    )
    cors_allowed_origins: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="origins whose pages may call the REST API from browsers, comma separated;"
        " none by default, as API keys belong on servers",
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        le=10,
        description="proxies in front of the web process, which add the address of the client to"
        " X-Forwarded-For",
    )
    source_ports: Annotated[list[int], NoDecode] = Field(
        default=[80, 443],
        description="ports that addresses of suppliers and competitors may name, comma separated",
    )
    allow_loopback_sources: bool = Field(
        default=False,
        description="addresses of suppliers and competitors may be on this computer (127.0.0.0/8,"
        " ::1); bin/dev and bin/test set it, production must not",
    )
    sentry_dsn: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="address of a project in Sentry that unexpected errors are reported to, without"
        " personal data; needs the packages of requirements/observability.txt",
    )
    sentry_environment: str = Field(
        default="", description="name of this installation in reports to Sentry"
    )
    otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="OpenTelemetry collector that traces are sent to by OTLP over HTTP, for example"
        " http://collector:4318; needs the packages of requirements/observability.txt",
    )
    traces_share: float = Field(
        default=0.1, ge=0, le=1, description="share of the requests that are traced, 0 to 1"
    )
    metrics_token: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9._~+/=-]{32,200})?$",
        description="bearer token of /metrics, at least 32 characters; empty: no metrics are"
        " recorded, and the page does not exist",
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="port at which a Celery worker serves /metrics; 0: none",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="minimum level of logged events"
    )
    log_format: Literal["console", "json"] = Field(
        default="json", description="format of log lines"
    )

    @field_validator("console_time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is not a time zone, such as America/Toronto")
        return name

    @field_validator(
        "allowed_hosts",
        "csrf_trusted_origins",
        "cors_allowed_origins",
        "alert_emails",
        "event_ignored_products",
        "own_prices_include_tax_in",
        "source_ports",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: str) -> str:
        if not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return value

    @field_validator("key_ring")
    @classmethod
    def _is_key_ring(cls, value: str) -> str:
        for entry in value.split(","):
            key_id, _, encoded = entry.partition(":")
            try:
                is_valid = bool(key_id) and len(base64.b64decode(encoded, validate=True)) == 32
            except ValueError:
                is_valid = False
            if not is_valid:
                raise ValueError("each entry must be id:base64-of-32-bytes")
        return value


def read_environment() -> Environment:
    """Return the validated environment; exit with code 2 and one line for an invalid setting."""
    try:
        return Environment()  # type: ignore[call-arg]  # values come from the environment
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "environment"
        print(f"Setting {name}: {first['msg']}. See .env.example.", file=sys.stderr)
        raise SystemExit(2) from None


ENV = read_environment()
