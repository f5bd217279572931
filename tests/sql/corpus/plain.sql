SELECT 1
----
SELECT a.b, "Q;x"."y""z", 'it''s; fine', $$dollar; 'quoted'$$, $tag$ a; $$ $tag$ FROM t -- tail; comment
WHERE a > 1
----
FROM t
----
FROM range(10) t(i) SELECT i WHERE i % 2 = 0 ORDER BY ALL DESC NULLS LAST LIMIT 5 OFFSET 1
----
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r
----
WITH x AS MATERIALIZED (SELECT 1), y AS NOT MATERIALIZED (FROM x) TABLE y
----
VALUES (1, 'a'), (2, 'b')
----
(SELECT 1) UNION BY NAME (SELECT 2 AS x)
----
SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) RENAME (c AS d) FROM t
----
SELECT COLUMNS('x_.*'), COLUMNS(c -> c LIKE 'run%') FROM model
----
SELECT run, model, feature, endpoint, workflow, alert, monitor, metrics FROM runs AS run JOIN models AS model USING (id)
----
SELECT count(*) FILTER (WHERE x > 1), sum(y) OVER w, lag(z, 1) OVER (PARTITION BY g ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t WINDOW w AS (ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW)
----
SELECT * FROM a ASOF LEFT JOIN b ON a.k = b.k AND a.ts >= b.ts
----
SELECT * FROM a POSITIONAL JOIN b
----
SELECT * FROM a SEMI JOIN b USING (k) ANTI JOIN c USING (k)
----
SELECT * FROM t, LATERAL (SELECT t.x + 1) u
----
SELECT * FROM t TABLESAMPLE reservoir(10 ROWS) REPEATABLE (42)
----
SELECT * FROM t QUALIFY row_number() OVER (PARTITION BY k ORDER BY ts DESC) = 1
----
SELECT g, h, sum(x) FROM t GROUP BY GROUPING SETS ((g), (h), ()) HAVING sum(x) > 0
----
SELECT g FROM t GROUP BY ALL
----
SELECT {'a': 1, 'b': [1, 2, 3]}, MAP {'k': 'v'}, [x * 2 FOR x IN [1, 2, 3] IF x > 1], [1, 2, 3][1:2]
----
SELECT list_transform([1, 2], lambda x: x + 1), CAST(1 AS VARCHAR), 1::DOUBLE, TRY_CAST('x' AS INT)
----
SELECT CASE WHEN a THEN 'b;c' ELSE 'd' END, a IS NOT DISTINCT FROM b, a BETWEEN 1 AND 2, a NOT IN (1, 2), EXISTS (SELECT 1)
----
SELECT INTERVAL '1 day' + DATE '2026-01-01', TIMESTAMP '2026-01-01 00:00:00' AT TIME ZONE 'UTC', epoch_ms(0)
----
SELECT x.y.z, t.*, struct_col['field'], 10 % 3, 2 ** 3, 7 // 2, @(-5), 5!, ~1, 1 << 2, 'a' || 'b', 'a' ^@ 'b', json_col -> '$.a' ->> 'b'
----
SELECT $1 + $2
----
SELECT ? + ?, '?'
----
SELECT $name, $other WHERE x > $name
----
SELECT * FROM read_csv('x.csv', header = true, columns = {'a': 'INT'})
----
SELECT * FROM 'data/*.parquet'
----
SELECT * FROM ml.features('v', 'spine') WHERE ts < now()
----
SELECT * FROM ml.runs ORDER BY created_at DESC
----
FROM ml.exec('RUN train')
----
PIVOT cities ON year USING sum(population) GROUP BY country
----
UNPIVOT t ON jan, feb INTO NAME month VALUE sales
----
SUMMARIZE t
----
DESCRIBE t
----
DESCRIBE SELECT 1
----
DESCRIBE model
----
DESC endpoint
----
SHOW TABLES
----
SHOW ALL TABLES
----
SHOW DATABASES
----
SHOW my_table
----
SHOW runs.history
----
EXPLAIN SELECT 1
----
EXPLAIN ANALYZE SELECT * FROM t
----
EXPLAIN (ANALYZE, FORMAT json) SELECT 1
----
CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR NOT NULL DEFAULT 'x;y', amount DECIMAL(18, 3) CHECK (amount > 0), gen INT GENERATED ALWAYS AS (id + 1) VIRTUAL, FOREIGN KEY (id) REFERENCES u (id))
----
CREATE OR REPLACE TABLE model AS SELECT 1 AS feature
----
CREATE TEMP TABLE IF NOT EXISTS run (endpoint INT)
----
CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1
----
CREATE SCHEMA IF NOT EXISTS s
----
CREATE SEQUENCE q START 1 INCREMENT BY 2
----
CREATE UNIQUE INDEX i ON t (a, lower(b))
----
CREATE TYPE mood AS ENUM ('sad', 'happy')
----
CREATE MACRO add1(x) AS x + 1
----
CREATE OR REPLACE MACRO f(x, y := 2) AS TABLE SELECT x, y
----
CREATE FUNCTION add2(x) AS x + 2
----
CREATE OR REPLACE FUNCTION s.add3(x) AS (SELECT x + 3)
----
CREATE SECRET k (TYPE s3, KEY_ID 'x', SECRET 'y')
----
DROP TABLE IF EXISTS t CASCADE
----
DROP MACRO add1
----
DROP SECRET k FROM local_file
----
DROP PERSISTENT SECRET k
----
ALTER TABLE t ADD COLUMN model VARCHAR DEFAULT 'm@3'
----
ALTER TABLE model RENAME TO feature
----
ALTER VIEW v RENAME TO w
----
INSERT INTO t BY NAME SELECT 1 AS id ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *
----
INSERT INTO features VALUES (1, 'a;b'), (2, $$c;d$$)
----
INSERT OR REPLACE INTO t (id) VALUES ($id)
----
UPDATE t SET a = b.a FROM b WHERE t.id = b.id RETURNING id
----
DELETE FROM t USING u WHERE t.id = u.id
----
TRUNCATE t
----
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED AND s.x THEN UPDATE SET a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.id)
----
COPY t TO 'x.parquet' (FORMAT parquet, PARTITION_BY (a))
----
COPY (SELECT 1) TO 'x.csv' WITH (HEADER)
----
COPY t FROM 'x.csv'
----
SET threads = 4
----
SET VARIABLE model = 'm'
----
SET SESSION memory_limit = '1GB'
----
RESET threads
----
PRAGMA database_size
----
CALL pragma_version()
----
PREPARE q AS SELECT $1
----
EXECUTE q(1)
----
DEALLOCATE q
----
BEGIN TRANSACTION
----
COMMIT
----
ROLLBACK
----
ATTACH 'x.duckdb' AS x (READ_ONLY)
----
DETACH x
----
INSTALL httpfs FROM core
----
INSTALL function
----
LOAD httpfs
----
CHECKPOINT
----
VACUUM
----
ANALYZE t
----
COMMENT ON TABLE t IS 'RUN train; SHOW RUNS'
----
EXPORT DATABASE 'x' (FORMAT parquet)
----
SELECT '日本; 🙂' AS "ключ;" /* RUN x; /* nested; */ ; */ FROM größe -- ü
WHERE a = E'\'; RUN b' AND c = 'x'
