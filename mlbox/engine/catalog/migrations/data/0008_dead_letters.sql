-- Where a refused row stood: in which part of its source, and at which place there.
ALTER TABLE data._mlbox.dead_letters ADD COLUMN part VARCHAR;
ALTER TABLE data._mlbox.dead_letters ADD COLUMN number BIGINT;
