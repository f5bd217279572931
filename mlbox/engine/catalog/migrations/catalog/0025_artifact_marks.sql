-- Names for versions of artifacts, and labels of versions (JSON, an object). The name of the artifact in lower case.
CREATE TABLE catalog.main.artifact_aliases (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    alias VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (project, name, alias)
);
CREATE TABLE catalog.main.artifact_labels (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    labels VARCHAR NOT NULL,
    PRIMARY KEY (project, name, version)
);
