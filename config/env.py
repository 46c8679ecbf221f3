"""Every setting that comes from the environment: its type, its default, one line about it."""

import base64
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """What the environment says. Names of fields in upper case are the names of the variables."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", extra="ignore", case_sensitive=False)

    secret_key: str = Field(min_length=32, description="signs sessions; 50 random characters")
    key_ring: str = Field(
        description="encryption keys, newest first: id:base64-of-32-bytes[,id:...]"
    )
    database_url: str = Field(
        description="PostgreSQL 15 or newer: postgresql://user:password@host:port/name"
    )
    redis_url: str = Field(description="Redis or Valkey: redis://host:port/0")
    milvus_uri: str = Field(description="Milvus, or Milvus Lite as a server: http://host:port")
    milvus_token: str = Field(
        default="", description="user:password or token of Milvus, if it asks for one"
    )
    milvus_collection_prefix: str = Field(
        default="",
        pattern=r"^[a-z0-9_]*$",
        description="put before collection names, to share one Milvus",
    )
    vectors_exact_below: int = Field(
        default=50_000,
        ge=0,
        description="vector indexes of up to so many rows are searched exactly, without Milvus",
    )
    vectors_fallback_below: int = Field(
        default=200_000,
        ge=0,
        description="up to so many rows are searched exactly when Milvus does not answer",
    )
    kafka_bootstrap_servers: str = Field(
        default="", description="host:port[,host:port]; empty: no streams"
    )
    kafka_api_version: str = Field(
        default="",
        pattern=r"^(\d+(\.\d+){1,2})?$",
        description="of the brokers, for example 2.8; empty: they are asked",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how brokers are spoken to"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how we prove who we are, with SASL"
    )
    kafka_sasl_user: str = Field(default="", description="user for SASL")
    kafka_sasl_password: str = Field(default="", description="password for SASL")
    kafka_ca_file: Path | None = Field(
        default=None, description="certificates that brokers are held against"
    )
    kafka_group_id: str = Field(default="cultivar", min_length=1, description="consumer group")
    kafka_topic_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="put before topic names, to share brokers",
    )
    kafka_dead_letter_suffix: str = Field(
        default=".dead",
        pattern=r"^[A-Za-z0-9._-]{1,50}$",
        description="put behind a topic's name for its dead letters",
    )
    kafka_session_timeout_seconds: int = Field(
        default=30, ge=1, le=1800, description="a consumer silent for so long is taken for dead"
    )
    kafka_batch_size: int = Field(
        default=2000, ge=1, le=20_000, description="events applied in one transaction, at most"
    )
    kafka_lag_alert: int = Field(
        default=100_000, ge=1, description="so many events waiting in a partition raise an alert"
    )
    aws_storage_bucket_name: str = Field(
        default="", description="bucket for raw bytes; empty: files in STATE_DIR"
    )
    aws_s3_endpoint_url: str = Field(default="", description="an S3 service other than Amazon's")
    aws_s3_region_name: str = Field(default="ca-central-1", description="region of the bucket")
    alert_emails: Annotated[list[str], NoDecode] = Field(
        default=[], description="who is told of alerts, comma separated"
    )
    alert_webhook_url: str = Field(
        default="", description="address that alerts are posted to, as JSON"
    )
    email_url: str = Field(
        default="",
        pattern=r"^(smtps?://.+)?$",
        description="mail server: smtp[s]://user:password@host:port; empty: no mail",
    )
    email_from: str = Field(default="cultivar@localhost", description="sender of mail")
    state_dir: Path = Field(default=ROOT / "var", description="raw bytes, models, embedded servers")
    models_dir: Path | None = Field(
        default=None, description="model files; default STATE_DIR/models"
    )
    text_encoder: str = Field(default="all-MiniLM-L6-v2", description="model of product texts")
    multilingual_encoder: str = Field(
        default="use-multilingual-3", description="model of queries in both languages"
    )
    image_encoder: str = Field(
        default="clip-vit-base-patch32", description="model of images; fetch_models --image"
    )
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["127.0.0.1", "localhost"], description="host names served, comma separated"
    )
    csrf_trusted_origins: Annotated[list[str], NoDecode] = Field(
        default=[], description="origins of console forms, comma separated"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least level logged"
    )
    log_format: Literal["console", "json"] = Field(
        default="json", description="for people or for machines"
    )

    @field_validator("allowed_hosts", "csrf_trusted_origins", "alert_emails", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()]
            if isinstance(value, str)
            else value
        )

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
                is_right = bool(key_id) and len(base64.b64decode(encoded, validate=True)) == 32
            except ValueError:
                is_right = False
            if not is_right:
                raise ValueError("each entry must be id:base64-of-32-bytes")
        return value


def read_environment() -> Environment:
    """Read and check the environment; a wrong setting ends the process with one line that names it (exit 2)."""
    try:
        return Environment()  # type: ignore[call-arg]  # values come from the environment
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "environment"
        print(f"Setting {name}: {first['msg']}. See .env.example.", file=sys.stderr)
        raise SystemExit(2) from None


ENV = read_environment()
