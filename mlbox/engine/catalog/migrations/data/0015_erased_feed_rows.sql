-- Rows of feeds that named an entity: those that waited, and those of the tables into which they write.
ALTER TABLE data._mlbox.erasures ADD COLUMN feed_rows BIGINT DEFAULT 0;
