-- How far a set has read the parts of its source; committed with the rows. A part's rows have sequences in this range.
CREATE TABLE data._mlbox.source_positions (
    project VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL,
    part VARCHAR NOT NULL,
    position VARCHAR NOT NULL,
    first_sequence BIGINT,
    last_sequence BIGINT,
    ingest_id VARCHAR NOT NULL,
    read_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (set_id, part)
);
ALTER TABLE data._mlbox.ingests ADD COLUMN source VARCHAR;
ALTER TABLE data._mlbox.ingests ADD COLUMN late BIGINT;
ALTER TABLE data._mlbox.ingests ADD COLUMN rejected BIGINT;
