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
----
SELECT DISTINCT ON (customer) customer, amount FROM orders ORDER BY customer, ts DESC
----
SELECT ALL amount FROM orders FETCH FIRST 5 ROWS ONLY
----
SELECT amount FROM orders LIMIT 10 PERCENT OFFSET 2
----
SELECT region, sum(amount) FROM orders GROUP BY ROLLUP (region, city)
----
SELECT region, city, grouping_id(region, city) FROM orders GROUP BY CUBE (region, city)
----
SELECT region, sum(amount) AS total FROM orders GROUP BY 1 ORDER BY total DESC NULLS FIRST
----
SELECT sum(amount) OVER (ORDER BY ts ROWS UNBOUNDED PRECEDING) FROM orders
----
SELECT sum(amount) OVER (PARTITION BY city ORDER BY ts RANGE BETWEEN INTERVAL '7 days' PRECEDING AND INTERVAL '1 day' FOLLOWING) FROM orders
----
SELECT count(*) OVER (ORDER BY amount GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM orders
----
SELECT first_value(amount IGNORE NULLS) OVER w, nth_value(amount, 2) OVER w FROM orders WINDOW w AS (PARTITION BY city ORDER BY ts), u AS (w ROWS 2 PRECEDING)
----
SELECT list(amount ORDER BY ts DESC) FILTER (WHERE amount > 0), string_agg(DISTINCT city, ';' ORDER BY city) FROM orders
----
SELECT quantile_cont(amount, [0.25, 0.5, 0.75]), mode() WITHIN GROUP (ORDER BY city) FROM orders
----
SELECT * FROM orders o LEFT JOIN customers c ON o.customer = c.id RIGHT JOIN cities USING (city) FULL OUTER JOIN regions r ON true
----
SELECT * FROM orders NATURAL JOIN customers CROSS JOIN range(3) AS n(i)
----
SELECT * FROM prices p ASOF JOIN trades t USING (symbol, ts)
----
SELECT * FROM orders o JOIN LATERAL (SELECT max(amount) FROM orders i WHERE i.customer = o.customer) m(top) ON true
----
SELECT * FROM orders TABLESAMPLE 10 PERCENT (bernoulli, 377)
----
SELECT * FROM orders USING SAMPLE reservoir(50 ROWS) REPEATABLE (100)
----
SELECT * FROM orders QUALIFY rank() OVER (PARTITION BY city ORDER BY amount DESC) <= 3 ORDER BY city
----
WITH RECURSIVE tree(id, path) USING KEY (id) AS (SELECT id, [id] FROM nodes WHERE parent IS NULL UNION SELECT n.id, list_append(tree.path, n.id) FROM nodes n JOIN tree ON n.parent = tree.id) TABLE tree
----
WITH a AS (SELECT 1 AS x), b(y) AS MATERIALIZED (SELECT x + 1 FROM a) SELECT * FROM a, b
----
WITH added AS (INSERT INTO log VALUES (1) RETURNING id) SELECT count(*) FROM added
----
FROM orders SELECT city, count(*) WHERE amount > 1 GROUP BY city HAVING count(*) > 2
----
FROM orders o JOIN customers c ON o.customer = c.id
----
FROM (VALUES (1, 'run'), (2, 'log')) AS statements(id, word)
----
FROM read_json('logs/*.json', format = 'newline_delimited', columns = {run: 'VARCHAR', metric: 'DOUBLE'})
----
FROM 's3://bucket/features/*.parquet' SELECT * LIMIT 1
----
SELECT * EXCLUDE (secret, token) FROM members
----
SELECT * REPLACE (upper(name) AS name, round(score, 2) AS score) FROM models
----
SELECT * RENAME (name AS model, score AS metric) FROM models
----
SELECT o.* EXCLUDE (id), c.* LIKE 'n%' FROM orders o JOIN customers c ON o.customer = c.id
----
SELECT COLUMNS('^(run|metric)_') + 1, min(COLUMNS(* EXCLUDE id)), max(COLUMNS(c -> c LIKE '%_at')) FROM events
----
SELECT *COLUMNS('feature_.*') FROM t
----
SELECT struct_pack(a := 1, b := 'x').b, {'run': 1}.run, row(1, 2), (1, 'two')
----
SELECT MAP {'run': 1, 'log': 2}['run'], MAP(['a'], [1]), map_entries(MAP {'k': [1, 2]})
----
SELECT [1, 2, 3][-1], [1, 2, 3][1:-1], list_filter([1, 2, 3], lambda x: x > 1), [x + y FOR x, y IN [[1, 2]]]
----
SELECT list_reduce([1, 2, 3], lambda a, b: a + b), list_transform(['run'], lambda s, i: s || i)
----
SELECT union_value(num := 2)::UNION(num INTEGER, txt VARCHAR), 'x'::VARCHAR[3], CAST([1] AS DOUBLE[])
----
SELECT {'a': [1, NULL]}::STRUCT(a INTEGER[]), '{"run": 1}'::JSON -> 'run', '[1]'::JSON ->> '$[0]', 1::VARIANT
----
SELECT extract(year FROM ts), date_trunc('hour', ts), ts AT TIME ZONE 'Europe/Berlin', INTERVAL 1 YEAR + INTERVAL '2' MONTH FROM events
----
SELECT CASE city WHEN 'Bern' THEN 1 WHEN 'Basel' THEN 2 ELSE 0 END, COALESCE(a, b), nullif(a, 0), ifnull(a, 1) FROM t
----
SELECT a IS NULL, b IS NOT NULL, a ISNULL, c IS DISTINCT FROM d, e IS TRUE, NOT f, g IN (1, 2), h NOT LIKE '\_x' ESCAPE '\' FROM t
----
SELECT 'a' SIMILAR TO 'b+', 'a' ~ 'x', 'a' GLOB 'x*', 'a' !~~ 'b', 'abc' ILIKE '%B%', 'x' COLLATE nocase = 'X'
----
SELECT x FROM t WHERE x > ALL (SELECT y FROM u) OR x = ANY ([1, 2]) OR EXISTS (FROM v) OR (x, y) IN (SELECT 1, 2)
----
SELECT 0xFF, 0b1010, 1_000_000, 1e10, .5, 5., -3, +4, 1.5e-3
----
SELECT "column ""with"" quotes", "ORDER", "größe" FROM "odd schema"."odd;table"
----
SELECT #1, #2 FROM t
----
SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3 INTERSECT ALL SELECT 4 ORDER BY 1
----
(FROM a) UNION ALL BY NAME (FROM b) ORDER BY ALL
----
TABLE orders ORDER BY amount LIMIT 1
----
VALUES (1, 'RUN'), (2, 'LOG; METRIC') ORDER BY 1
----
PIVOT sales ON year IN (2024, 2025) USING sum(amount) AS total, count(*) GROUP BY city ORDER BY city LIMIT 3
----
SELECT * FROM (PIVOT sales ON year USING avg(amount)) p WHERE p."2024" > 1
----
SELECT * FROM sales PIVOT (sum(amount) FOR year IN (2024, 2025) GROUP BY city)
----
UNPIVOT monthly ON COLUMNS(* EXCLUDE city) INTO NAME month VALUE sales
----
SELECT * FROM monthly UNPIVOT (sales FOR month IN (jan, feb))
----
SUMMARIZE SELECT amount FROM orders WHERE amount > 0
----
DESCRIBE SELECT * FROM read_parquet('x.parquet')
----
DESCRIBE TABLE orders
----
SHOW SCHEMAS
----
SHOW TABLES FROM fraud
----
SHOW VARIABLES
----
SHOW orders
----
EXPLAIN ANALYZE INSERT INTO t SELECT 1
----
EXPLAIN (FORMAT html) SELECT * FROM orders
----
CREATE TABLE run AS SELECT 1 AS metric
----
CREATE TABLE metrics (run VARCHAR, step INTEGER, value DOUBLE, PRIMARY KEY (run, step), UNIQUE (value), CHECK (step >= 0))
----
CREATE TABLE t (id INTEGER DEFAULT nextval('q'), created TIMESTAMPTZ DEFAULT now(), tags VARCHAR[], pos STRUCT(x DOUBLE, y DOUBLE), kind ENUM ('a', 'b'), u UNION(i INTEGER, s VARCHAR), m MAP(VARCHAR, INTEGER), v VARIANT)
----
CREATE TABLE copy AS FROM orders WITH NO DATA
----
CREATE TABLE sorted AS FROM orders ORDER BY ts
----
CREATE OR REPLACE VIEW endpoint (a, b) AS SELECT 1, 2
----
CREATE RECURSIVE VIEW counting (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM counting WHERE n < 3
----
CREATE OR REPLACE SEQUENCE q INCREMENT BY -1 MINVALUE -10 MAXVALUE 10 START WITH 5 CYCLE
----
CREATE INDEX IF NOT EXISTS by_city ON orders USING art (city) WITH (x = 1)
----
CREATE TYPE money AS DECIMAL(18, 2)
----
CREATE TYPE pair AS STRUCT(model VARCHAR, version INTEGER)
----
CREATE TYPE level AS ENUM (SELECT DISTINCT city FROM orders)
----
CREATE TEMPORARY MACRO discount(price, share := 0.1) AS price * (1 - share)
----
CREATE MACRO top(n) AS TABLE (SELECT * FROM orders ORDER BY amount DESC LIMIT n), (a, b) AS TABLE SELECT a, b
----
CREATE MACRO IF NOT EXISTS either(a, b) AS coalesce(a, b), (a) AS a
----
CREATE OR REPLACE SECRET store (TYPE s3, PROVIDER credential_chain, SCOPE 's3://bucket')
----
CREATE PERSISTENT SECRET IF NOT EXISTS hub IN local_file (TYPE huggingface, TOKEN 'x')
----
CREATE SCHEMA fraud
----
CREATE TRIGGER changed AFTER INSERT ON orders FOR EACH ROW INSERT INTO log VALUES (1)
----
ALTER TABLE orders ADD COLUMN IF NOT EXISTS score DOUBLE DEFAULT 0.5
----
ALTER TABLE orders DROP COLUMN score CASCADE
----
ALTER TABLE orders ALTER amount SET DATA TYPE DECIMAL(18, 3) USING amount::DECIMAL(18, 3)
----
ALTER TABLE orders ALTER COLUMN city SET NOT NULL
----
ALTER TABLE orders ALTER city DROP DEFAULT
----
ALTER TABLE orders RENAME COLUMN city TO town
----
ALTER TABLE orders ADD PRIMARY KEY (id)
----
ALTER TABLE orders ALTER pos.x TYPE FLOAT
----
ALTER TABLE orders SET PARTITIONED BY (city)
----
ALTER SEQUENCE q OWNED BY orders
----
ALTER DATABASE x SET ALIAS TO y
----
DROP VIEW IF EXISTS endpoint
----
DROP SCHEMA fraud CASCADE
----
DROP TYPE mood
----
DROP SEQUENCE q RESTRICT
----
DROP INDEX IF EXISTS by_city
----
DROP MACRO TABLE top
----
INSERT INTO orders (id, amount) VALUES (1, DEFAULT), (2, 3.5)
----
INSERT INTO orders DEFAULT VALUES
----
INSERT OR IGNORE INTO orders BY POSITION SELECT * FROM staged
----
INSERT INTO orders AS o FROM staged ON CONFLICT DO NOTHING
----
INSERT INTO orders SELECT * FROM staged ON CONFLICT (id) WHERE amount > 0 DO UPDATE SET amount = excluded.amount WHERE excluded.ts > ts
----
WITH s AS (FROM staged) INSERT INTO orders FROM s RETURNING id, amount AS paid
----
UPDATE orders AS o SET amount = amount * 2, (city, region) = ('x', 'y') WHERE id IN (FROM staged SELECT id)
----
WITH s AS (SELECT 1 AS id) UPDATE orders SET amount = 0 FROM s WHERE orders.id = s.id
----
DELETE FROM orders WHERE ts < now() - INTERVAL 30 DAYS RETURNING *
----
MERGE INTO orders o USING (SELECT * FROM staged) s ON (o.id = s.id) WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET amount = 0 WHEN NOT MATCHED BY TARGET THEN INSERT (id, amount) VALUES (s.id, s.amount) RETURNING merge_action, *
----
MERGE INTO orders USING staged USING (id) WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT BY NAME
----
COPY orders FROM 'orders.csv' (HEADER, DELIMITER ';', NULLSTR 'n/a', DATEFORMAT '%d.%m.%Y')
----
COPY orders (id, amount) TO 'out.csv' (FORCE_QUOTE (id), QUOTE '"')
----
COPY (FROM orders) TO 'out' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (region, city), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'run_{i}')
----
COPY FROM DATABASE a TO b (SCHEMA)
----
EXPORT DATABASE 'folder'
----
IMPORT DATABASE 'folder'
----
EXECUTE by_city('Bern')
----
EXECUTE named(city := 'Bern', n := 3)
----
DEALLOCATE PREPARE by_city
----
ATTACH IF NOT EXISTS 'postgres:dbname=x' AS pg (TYPE postgres, READ_ONLY)
----
ATTACH OR REPLACE DATABASE ':memory:' AS scratch
----
DETACH DATABASE IF EXISTS scratch
----
FORCE CHECKPOINT x
----
VACUUM ANALYZE orders (city)
----
CALL duckdb_functions()
----
CALL enable_logging('QueryLog', level = 'debug')
----
PRAGMA enable_progress_bar = true
----
PRAGMA table_info('orders')
----
SET GLOBAL memory_limit = '2GB'
----
SET VARIABLE cities = (SELECT list(city) FROM orders)
----
RESET GLOBAL memory_limit
----
RESET VARIABLE cities
----
SET TimeZone = 'Europe/Berlin'
----
BEGIN
----
START TRANSACTION READ ONLY
----
ABORT
----
END TRANSACTION
----
COMMENT ON COLUMN orders.city IS 'where; FEATURE SET'
----
COMMENT ON VIEW endpoint IS NULL
----
FORCE INSTALL spatial FROM community
----
INSTALL 'path/x.duckdb_extension'
----
UPDATE EXTENSIONS
----
LOAD 'spatial'
----
SELECT * FROM ml.predict('m@champion', 'tx') JOIN ml.runs ON true
----
SELECT ml.predict('m', t) FROM ml.features('v', 'spine') AS t
----
SELECT 1 -- RUN f; 'open
/* DROP MODEL m; /* deeper; */ still; */ + 1 -- CREATE MODEL m;
+ 2
----
SELECT ';', ";" FROM (VALUES (';')) AS t(";") WHERE ';' = $q$;$q$
----
SELECT 'RUN f WITH (a = 1)' AS statement, $$CREATE ENDPOINT e USING MODEL m;$$ AS body
----
SELECT
		1	AS	tab,
	'日本;' AS "列"
FROM   größe	WHERE	"ü" <> ';'
----
SELECT model.feature, run.metric, feature.endpoint FROM model, run, feature WHERE monitor.alert = 1
