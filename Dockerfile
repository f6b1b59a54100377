# syntax=docker/dockerfile:1

FROM rust:1.95.0-slim-bookworm AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The profiles keep their function names, so only the line tables leave the program that ships.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --profile dist --locked --bin runyard \
    && mkdir -p /out/data \
    && cp target/dist/runyard /out/runyard \
    && objcopy --only-keep-debug /out/runyard /out/runyard.debug \
    && strip --strip-debug /out/runyard

# The line tables, for a debugger: docker build --target symbols --output . .
FROM scratch AS symbols
COPY --from=builder /out/runyard.debug /

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=builder /out/runyard /runyard
COPY --from=builder --chown=nonroot:nonroot /out/data /data
ENV HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s CMD ["/runyard", "health"]
ENTRYPOINT ["/runyard"]
CMD ["serve"]
