-- Entities that were deleted. The values are kept as a keyed digest only; pending are online keys that are still to go.
CREATE TABLE data._mlbox.erasures (
    id VARCHAR NOT NULL PRIMARY KEY,
    project VARCHAR NOT NULL,
    feature_set VARCHAR,
    entities VARCHAR[] NOT NULL,
    digest VARCHAR NOT NULL,
    requested_by VARCHAR NOT NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    offline_rows BIGINT NOT NULL,
    refused_rows BIGINT NOT NULL,
    predictions BIGINT NOT NULL,
    online_rows BIGINT,
    completed_at TIMESTAMPTZ,
    pending VARCHAR
);
