-- Documents of collections that named an entity.
ALTER TABLE data._mlbox.erasures ADD COLUMN documents BIGINT DEFAULT 0;
