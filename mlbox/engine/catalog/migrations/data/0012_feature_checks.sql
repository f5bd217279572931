-- How many rows of each ingest break the checks of their set.
CREATE TABLE data._mlbox.feature_checks (
    ingest_id VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    feature_set VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    column_name VARCHAR NOT NULL,
    condition VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    broken BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL
);
