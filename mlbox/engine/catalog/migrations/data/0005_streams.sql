-- Rows of streams that were refused, with the reason.
CREATE TABLE data._mlbox.dead_letters (
    project VARCHAR NOT NULL,
    feature_set VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL,
    source VARCHAR,
    reason VARCHAR NOT NULL,
    "row" VARCHAR,
    refused_at TIMESTAMPTZ NOT NULL
);
-- Idempotency keys of pushes; committed with their rows.
CREATE TABLE data._mlbox.push_keys (
    project VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    taken_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (set_id, key)
);
-- How far sets are behind their streams.
CREATE TABLE data._mlbox.stream_progress (
    project VARCHAR NOT NULL,
    set_id VARCHAR PRIMARY KEY,
    lag BIGINT,
    error VARCHAR,
    updated_at TIMESTAMPTZ NOT NULL
);
