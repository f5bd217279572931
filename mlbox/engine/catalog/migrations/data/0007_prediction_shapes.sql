-- What a model saw is kept as numbers; their names stand once for each set of names. A map for each row cost ten times as
-- much to write. Older rows keep their map. row_id is NULL where it is the request's.
CREATE TABLE data._mlbox.prediction_shapes (shape VARCHAR PRIMARY KEY, names VARCHAR[] NOT NULL);
ALTER TABLE data._mlbox.predictions ADD COLUMN shape VARCHAR;
ALTER TABLE data._mlbox.predictions ADD COLUMN seen DOUBLE[];
