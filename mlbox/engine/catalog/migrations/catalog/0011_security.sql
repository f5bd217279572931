CREATE TABLE catalog.main.members (
    project VARCHAR NOT NULL,
    "user" VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    granted_at TIMESTAMPTZ NOT NULL,
    granted_by VARCHAR NOT NULL,
    PRIMARY KEY (project, "user")
);
CREATE TABLE catalog.main.tokens (
    id VARCHAR PRIMARY KEY,
    "user" VARCHAR NOT NULL,
    digest VARCHAR NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    created_by VARCHAR NOT NULL,
    expires_at TIMESTAMPTZ,
    comment VARCHAR
);
CREATE TABLE catalog.main.secrets (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value BLOB NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    updated_by VARCHAR NOT NULL,
    PRIMARY KEY (project, name)
);
