-- What dropped projects had in this file and can be restored: their rows of our tables ("<drop>.<table>"), and their own
-- tables ("<drop>.<place>"). Tables of feature sets stay in _sets and are called "@<drop>.<name>@<version>".
CREATE SCHEMA data._kept;
-- How a project's schema is made again, in this order; the row of kind schema says whose it is and that all is kept.
CREATE TABLE data._mlbox.kept_schemas (
    drop_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sql VARCHAR NOT NULL,
    PRIMARY KEY (drop_id, place)
);
