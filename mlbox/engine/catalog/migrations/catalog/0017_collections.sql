-- Collections of texts and vectors. The rows are in the home's folder "vectors"; table_version is the one of their
-- table that readers see, so that a refresh shows at once or not at all.
CREATE TABLE catalog.main.collections (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    definition VARCHAR NOT NULL,
    table_version BIGINT NOT NULL,
    documents BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    dimensions INTEGER,
    embedder VARCHAR,
    indexed BOOLEAN NOT NULL,
    refreshed_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (project, name)
);
