# One file for all services: docker build --build-arg SERVICE=api --build-arg PORT=8080 .
# Works on python:*-slim and on Debian with python3-venv (scripts/ensure-base-image makes the latter).
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
LABEL toolhive.stage=build
WORKDIR /build
# What a TLS-inspecting proxy needs to be trusted for; empty elsewhere. The final stage does not get it.
COPY deploy/ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates >/dev/null 2>&1
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off
COPY requirements/build.txt requirements/
RUN python3 -m venv tools && tools/bin/pip install --quiet --require-hashes -r requirements/build.txt
# The application's environment holds no pip: nothing can be installed into a running service.
ARG SERVICE
COPY requirements/${SERVICE}.txt requirements/
RUN python3 -m venv --without-pip /app \
    && tools/bin/pip --python /app/bin/python install --quiet --require-hashes -r requirements/${SERVICE}.txt
# The workspace's packages that the service's .in file names, as wheels and without a second look at dependencies.
COPY requirements/${SERVICE}.in requirements/
COPY libs libs
COPY services/${SERVICE} services/${SERVICE}
RUN sed -n 's/^-e \.\.\/\([^[]*\).*/.\/\1/p' requirements/${SERVICE}.in \
    | xargs tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels \
    && tools/bin/pip --python /app/bin/python install --quiet --no-deps --no-index wheels/*.whl \
    && printf '#!/bin/sh\nexec /app/bin/python -m %s\n' "$(ls services/${SERVICE}/src)" >/app/bin/serve \
    && chmod 0755 /app/bin/serve
COPY deploy/healthcheck.py /app/healthcheck.py

FROM ${BASE_IMAGE}
ARG SERVICE
ARG PORT
LABEL org.opencontainers.image.title="toolhive-${SERVICE}" \
      org.opencontainers.image.description="ToolHive for Python: the ${SERVICE} service" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin toolhive \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    TOOLHIVE_HOST=0.0.0.0 TOOLHIVE_PORT=${PORT}
USER 10001:10001
WORKDIR /tmp
EXPOSE ${PORT}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["/app/bin/python", "/app/healthcheck.py"]
CMD ["/app/bin/serve"]
