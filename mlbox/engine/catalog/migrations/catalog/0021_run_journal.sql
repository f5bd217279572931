-- What runs have told and their tables do not have yet: one row a transaction of a run. It is taken over into the tables
-- before anybody reads them. `refused` says why that failed; it is tried again when the home is opened.
CREATE TABLE catalog.main.run_journal (
    run_id VARCHAR NOT NULL,
    entry BLOB NOT NULL,
    refused VARCHAR
);
