# relabel as one static program. To build it:
#
#     docker build --build-arg VERSION=1.2.3 -t relabel .
#
# The builder is pinned by its digest: docs/ops/compose.yaml says how to renew it.
#
# The image holds no PostgreSQL: DATABASE_URL names the database (docs/ops/compose.yaml brings one).

# The builder runs on the machine's own platform and cross-compiles: emulating it would take minutes.
FROM --platform=$BUILDPLATFORM golang:1.26.8-alpine@sha256:8ac98ca534ac3f51e1f420a1dd2c15e74c75cfa0f23f3ad27eb5d7236c349a0c AS build
RUN apk add --no-cache ca-certificates
WORKDIR /src

# The modules are a layer of their own, made again only when go.mod changes.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X relabel/internal/cli.version=$VERSION" -o /out/relabel ./cmd/relabel
# An empty /tmp and a working folder that the account below may write in.
RUN install -d -m 1777 /out/tmp && install -d -o 65532 -g 65532 /out/work

FROM scratch
# The API's certificate is checked against these.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Time zones for schedules; scratch has none, and Go ships them all in 400 KB.
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /usr/local/share/zoneinfo.zip
COPY --from=build /out/tmp /tmp
COPY --from=build --chown=65532:65532 /out/work /work
COPY --from=build /out/relabel /usr/local/bin/relabel
ENV ZONEINFO=/usr/local/share/zoneinfo.zip
# An account without a name and without rights; a number, so that Kubernetes' runAsNonRoot can check it.
USER 65532:65532
WORKDIR /work
# relabel stops at SIGTERM: no new calls, those in flight finish.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/relabel"]
CMD ["help"]
