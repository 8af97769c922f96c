# The fixed environment: locked packages on a pinned base, the compendium inside, nothing fetched when it runs.
#   CUDA:  docker build -t compendium .
#   CPU:   docker build -t compendium --build-arg FLAVOUR=cpu \
#            --build-arg BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84 \
#            --build-arg BASE_DIGEST=sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84 .
# Add --build-arg REVISION=$(git rev-parse HEAD) and, if the image is published, SOURCE (address of the repository).
# The base's own Python is used where it has one, else its distribution's. The CPU build of torch is locked for Python 3.11
# alone; the CUDA lock holds for 3.11 to 3.13.
ARG BASE_IMAGE=nvidia/cuda:13.0.2-base-ubuntu24.04@sha256:2ab6381d970b211fb93853796dc6707eb8a72575a375c422b17cf4d8b2641701
ARG BASE_DIGEST=sha256:2ab6381d970b211fb93853796dc6707eb8a72575a375c422b17cf4d8b2641701

FROM ${BASE_IMAGE} AS base
ARG BASE_IMAGE
ARG BASE_DIGEST
RUN case "${BASE_IMAGE}" in \
        *@"${BASE_DIGEST}") ;; \
        *@*) echo "error: BASE_DIGEST=${BASE_DIGEST} is not the digest in BASE_IMAGE=${BASE_IMAGE}" >&2; exit 1 ;; \
    esac \
    && packages="ca-certificates git tini" \
    && { command -v python3 >/dev/null || packages="${packages} python3 python3-venv"; } \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages} \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
    && git config --system --add safe.directory '*' \
    && { getent passwd 1000 >/dev/null || useradd --uid 1000 --user-group --home-dir /tmp --no-create-home reader; } \
    && mkdir /work && chown 1000:1000 /work

FROM base AS environment
ARG FLAVOUR=cuda
# Another index beside pip's own, for the CPU build of torch where pip does not find it
ARG TORCH_INDEX=
COPY requirements-${FLAVOUR}.lock /opt/locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/env \
    && /opt/env/bin/pip install --require-hashes --no-deps -r /opt/locks/requirements-${FLAVOUR}.lock \
    ${TORCH_INDEX:+--extra-index-url ${TORCH_INDEX}}
COPY requirements.lock /opt/locks/
# Without isolation: what comes as source is built with the locked setuptools, and not with whatever pip would fetch unhashed.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/env/bin/pip install --require-hashes --no-deps --no-build-isolation --use-pep517 -r /opt/locks/requirements.lock

# Built upon, not copied from: nothing but the environment is in that stage, and copying it would write and hash it twice.
FROM environment AS compendium
ENV PATH=/opt/env/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DVC_NO_ANALYTICS=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["tini", "-s", "-g", "--", "/opt/compendium/container/run"]
CMD ["reproduce"]
# From here on every change of the code is a new layer, and nothing above is.
COPY . /opt/compendium
ARG BASE_IMAGE
ARG BASE_DIGEST
ARG FLAVOUR=cuda
ARG REVISION=unknown
ARG SOURCE=
ENV NNN_IMAGE_REVISION=${REVISION} NNN_IMAGE_BASE=${BASE_DIGEST}
LABEL org.opencontainers.image.title="Neural Neural Networks" \
      org.opencontainers.image.description="Networks trained on faces against macaque visual cortex: a reproducible research compendium (${FLAVOUR})" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"

# The same with what the tests need: docker build --target checks -t compendium:checks ... && docker run compendium:checks test
FROM compendium AS checks
USER root
COPY requirements-test.lock /opt/locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/env/bin/pip install --require-hashes --no-deps --no-build-isolation --use-pep517 -r /opt/locks/requirements-test.lock
USER 1000:1000

FROM compendium
