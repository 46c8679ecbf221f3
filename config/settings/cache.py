"""Cache: Redis."""

from config.env import ENV

REDIS_URL = ENV.redis_url
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": ENV.redis_url,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
