-- One row a predicted row; ordinal counts the rows of a request from 0.
CREATE TABLE data._mlbox.predictions (
    project VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    model VARCHAR,
    model_version INTEGER,
    request_id VARCHAR NOT NULL,
    ordinal INTEGER NOT NULL,
    row_id VARCHAR,
    predicted_at TIMESTAMPTZ NOT NULL,
    event_time TIMESTAMPTZ,
    latency_ms DOUBLE,
    status VARCHAR NOT NULL,
    error VARCHAR,
    inputs VARIANT,
    features MAP(VARCHAR, DOUBLE),
    prediction DOUBLE,
    outputs VARIANT,
    shadow BOOLEAN NOT NULL
);
-- Requests counted by the minute, whether recorded or not.
CREATE TABLE data._mlbox.traffic (
    project VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    minute TIMESTAMPTZ NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    unrecorded BIGINT NOT NULL,
    last_request TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, endpoint, minute)
);
