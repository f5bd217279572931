-- A plain writing statement first writes here: a transaction can write one file only, so it cannot touch the catalog.
CREATE TABLE data._mlbox.claims (session VARCHAR);
