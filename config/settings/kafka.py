"""Kafka: events from tills and other systems. Without brokers the same events arrive by REST."""

from config.env import ENV

KAFKA_BOOTSTRAP_SERVERS = [
    server.strip() for server in ENV.kafka_bootstrap_servers.split(",") if server.strip()
]
KAFKA_API_VERSION = (
    tuple(map(int, ENV.kafka_api_version.split("."))) if ENV.kafka_api_version else None
)
KAFKA_SECURITY_PROTOCOL = ENV.kafka_security_protocol
KAFKA_SASL_MECHANISM = ENV.kafka_sasl_mechanism
KAFKA_SASL_USER = ENV.kafka_sasl_user
KAFKA_SASL_PASSWORD = ENV.kafka_sasl_password
KAFKA_CA_FILE = ENV.kafka_ca_file
KAFKA_GROUP_ID = ENV.kafka_group_id
KAFKA_TOPIC_PREFIX = ENV.kafka_topic_prefix
KAFKA_DEAD_LETTER_SUFFIX = ENV.kafka_dead_letter_suffix
KAFKA_SESSION_TIMEOUT_SECONDS = ENV.kafka_session_timeout_seconds
KAFKA_BATCH_SIZE = ENV.kafka_batch_size
KAFKA_LAG_ALERT = ENV.kafka_lag_alert
EVENT_IGNORED_PRODUCTS = frozenset(ENV.event_ignored_products)
# A broker that does not respond for this time is unavailable; the work is retried.
KAFKA_TIMEOUT_SECONDS = 10
