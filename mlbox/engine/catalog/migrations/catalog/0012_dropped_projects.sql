-- Projects that are dropped, while something of them is still to be removed. The name is the project's, so that no
-- column called project takes the row away with the others.
CREATE TABLE catalog.main.dropped_projects (
    name VARCHAR PRIMARY KEY,
    dropped_at TIMESTAMPTZ NOT NULL,
    dropped_by VARCHAR NOT NULL
);
