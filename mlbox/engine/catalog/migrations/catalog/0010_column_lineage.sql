-- Which column was made from which: of feature sets, vectors and models.
CREATE TABLE catalog.main.column_lineage (
    project VARCHAR NOT NULL,
    from_kind VARCHAR NOT NULL,
    from_ref VARCHAR NOT NULL,
    from_column VARCHAR NOT NULL,
    to_kind VARCHAR NOT NULL,
    to_ref VARCHAR NOT NULL,
    to_column VARCHAR NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    detail VARCHAR,
    PRIMARY KEY (project, from_kind, from_ref, from_column, to_kind, to_ref, to_column)
);
