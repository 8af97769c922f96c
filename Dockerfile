# The fixed environment: locked packages on a pinned base, the compendium inside, nothing fetched when it runs.
#   CUDA:  docker build -t compendium .
#   CPU:   docker build -t compendium --build-arg FLAVOUR=cpu --build-arg BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84 .
# The CPU build of torch is locked for Python 3.11, so the CPU base must bring that; the CUDA lock holds for 3.11-3.13.
ARG BASE_IMAGE=nvidia/cuda:13.0.2-base-ubuntu24.04@sha256:2ab6381d970b211fb93853796dc6707eb8a72575a375c422b17cf4d8b2641701

FROM ${BASE_IMAGE} AS base
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv tini \
    && rm -rf /var/lib/apt/lists/*

FROM base AS environment
ARG FLAVOUR=cuda
ARG TORCH_INDEX=
COPY requirements.lock requirements-${FLAVOUR}.lock /build/
WORKDIR /build
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/env \
    && /opt/env/bin/pip install --require-hashes --no-deps -r requirements.lock \
    && /opt/env/bin/pip install --require-hashes --no-deps -r requirements-${FLAVOUR}.lock ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}}

FROM base
ARG BASE_IMAGE
ARG REVISION=unknown
ARG FLAVOUR=cuda
LABEL org.opencontainers.image.title="Neural Neural Networks" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
RUN useradd --uid 1000 --user-group --home-dir /work --no-create-home reader 2>/dev/null || usermod --home /work "$(id -un 1000)"; \
    mkdir -p /work && chown 1000:1000 /work \
    && git config --system --add safe.directory '*'
COPY --from=environment /opt/env /opt/env
COPY . /opt/compendium
ENV PATH=/opt/env/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp/home XDG_CACHE_HOME=/tmp/home/.cache MPLCONFIGDIR=/tmp/home/matplotlib \
    DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=/tmp/home/dvc \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["tini", "-g", "--", "/opt/compendium/container/run"]
CMD ["reproduce"]
