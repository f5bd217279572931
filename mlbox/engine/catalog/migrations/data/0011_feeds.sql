-- Rows that were brought to feeds (pushed, or chosen by the clock) and wait for their endpoint.
CREATE SEQUENCE data._mlbox.inbox_numbers;
CREATE TABLE data._mlbox.inbox (
    project VARCHAR NOT NULL,
    feed_id VARCHAR NOT NULL,
    number BIGINT NOT NULL,
    "row" VARCHAR NOT NULL,
    arrived_at TIMESTAMPTZ NOT NULL
);
-- What feeds have done; committed with the results and the offsets.
CREATE TABLE data._mlbox.feed_counts (
    project VARCHAR NOT NULL,
    feed_id VARCHAR PRIMARY KEY,
    events BIGINT NOT NULL,
    results BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    last_event_at TIMESTAMPTZ
);
-- Rows that feeds could not have answered stand beside those that feature sets have refused.
ALTER TABLE data._mlbox.dead_letters ALTER COLUMN feature_set DROP NOT NULL;
ALTER TABLE data._mlbox.dead_letters ADD COLUMN feed VARCHAR;
