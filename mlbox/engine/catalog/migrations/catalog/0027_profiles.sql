-- Credentials of object stores by name; "value" is encrypted, "shown" (JSON) is what is no credential.
CREATE TABLE catalog.main.profiles (
    project VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    shown VARCHAR NOT NULL,
    value BLOB NOT NULL,
    comment VARCHAR,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_by VARCHAR
);
