-- How far the predictions of each replica have come: it delivers its batches in order, and each once.
CREATE TABLE data._mlbox.replicas (
    project VARCHAR NOT NULL,
    deployment VARCHAR NOT NULL,
    replica VARCHAR NOT NULL,
    last_batch BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (deployment, replica)
);
