# syntax=docker/dockerfile:1

# Debian 12 throughout: the mediasoup worker is compiled against its libraries and runs with them.
FROM node:22-bookworm-slim AS build
WORKDIR /opt/crossband
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      ca-certificates flatbuffers-compiler g++ libabsl-dev libflatbuffers-dev libsrtp2-dev libssl-dev libuv1-dev openssl pkg-config \
 && rm -rf /var/lib/apt/lists/*

# The packages and the worker change seldom; they come before the sources so that their layers are kept.
COPY package.json package-lock.json .npmrc ./
RUN MEDIASOUP_WORKER_BIN=/opt/mediasoup-worker npm ci --no-audit --no-fund
COPY scripts/setup scripts/setup
COPY scripts/mediasoup-worker scripts/mediasoup-worker
RUN node scripts/mediasoup-worker/install.mjs > /tmp/worker-path \
 && cp "$(cat /tmp/worker-path)" /opt/mediasoup-worker

COPY . .
RUN node_modules/.bin/node node_modules/vite/bin/vite.js build console \
 && MEDIASOUP_WORKER_BIN=/opt/mediasoup-worker npm prune --omit=dev --no-audit --no-fund \
 && rm -rf test sipp-scenarios node_modules/mediasoup/worker

FROM debian:12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      ca-certificates libabsl20220623 libflatbuffers2 libsrtp2-1 libssl3 libuv1 redis-server \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --home-dir /var/lib/crossband crossband
COPY --from=build /opt/mediasoup-worker /opt/mediasoup-worker
COPY --from=build /opt/crossband /opt/crossband
WORKDIR /opt/crossband
ENV PATH=/opt/crossband/node_modules/.bin:$PATH \
    MEDIASOUP_WORKER_BIN=/opt/mediasoup-worker \
    CROSSBAND_HOME=/var/lib/crossband \
    NODE_COMPILE_CACHE=/var/lib/crossband/compiled
USER crossband
VOLUME ["/var/lib/crossband"]
EXPOSE 5060/tcp 5060/udp 5061/tcp 8080/tcp 20000-21999/udp
ENTRYPOINT ["node", "crossband.ts"]
CMD ["up"]
