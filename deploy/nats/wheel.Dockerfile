# NATS where the official image cannot be pulled: the same server from a wheel whose hash is pinned (docs/adr/0004).
ARG BASE_IMAGE=python:3.13-slim-bookworm
FROM ${BASE_IMAGE} AS build
LABEL toolhive.stage=build
COPY deploy/ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates >/dev/null 2>&1
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/nats.txt /build/
RUN python3 -m venv /build/venv && /build/venv/bin/pip install --quiet --require-hashes -r /build/nats.txt

FROM ${BASE_IMAGE}
COPY --from=build /build/venv/bin/nats-server /usr/local/bin/nats-server
COPY deploy/healthcheck.py /usr/local/lib/toolhive/healthcheck.py
COPY deploy/nats/nats.conf /etc/toolhive/nats.conf
RUN chmod 0444 /etc/toolhive/nats.conf && install --directory --owner 10001 --group 10001 --mode 0700 /data
ENV TOOLHIVE_PORT=8222
USER 10001:10001
EXPOSE 4222
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["python3", "/usr/local/lib/toolhive/healthcheck.py"]
ENTRYPOINT ["nats-server"]
CMD ["--config", "/etc/toolhive/nats.conf"]
