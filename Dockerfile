# The images of our own programs, one target each: eventapi, eventsearch, cdc-indexer, connectors, topics.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/ \
    ./eventapi ./eventsearch ./cdc-indexer ./connectors ./stack/topics ./stack/healthcheck

# There is no shell in here, so the health check is a program too.
FROM gcr.io/distroless/static-debian12:nonroot AS program
COPY --from=build /out/healthcheck /usr/local/bin/healthcheck
WORKDIR /app

FROM program AS eventapi
COPY --from=build /out/eventapi /usr/local/bin/eventapi
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s CMD ["healthcheck", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["eventapi"]

FROM program AS eventsearch
COPY --from=build /out/eventsearch /usr/local/bin/eventsearch
EXPOSE 8081
HEALTHCHECK --interval=5s --timeout=3s CMD ["healthcheck", "http://127.0.0.1:8081/readyz"]
ENTRYPOINT ["eventsearch"]

FROM program AS cdc-indexer
COPY --from=build /out/cdc-indexer /usr/local/bin/cdc-indexer
COPY cdc-indexer/pipelines cdc-indexer/pipelines
EXPOSE 8082
HEALTHCHECK --interval=5s --timeout=3s CMD ["healthcheck", "http://127.0.0.1:8082/readyz"]
ENTRYPOINT ["cdc-indexer"]
CMD ["run"]

# Run once: registers the connector.
FROM program AS connectors
COPY --from=build /out/connectors /usr/local/bin/connectors
COPY connectors/*.json connectors/
ENTRYPOINT ["connectors"]
CMD ["register"]

# Run once: creates the topics.
FROM program AS topics
COPY --from=build /out/topics /usr/local/bin/topics
ENTRYPOINT ["topics"]
