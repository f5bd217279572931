CREATE FEATUR SET a (ENTITY x) AS SELECT 1
-- error 1:8 there is no statement CREATE FEATUR | did you mean CREATE FEATURE SET?

CREATE FEATURE SET a AS SELECT 1
-- error 1:22 CREATE FEATURE SET needs its columns in parentheses, with an ENTITY | write (ENTITY id, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0), ..)

CREATE FEATURE SET a (TIMESTAMP ts) AS SELECT 1
-- error 1:22 a feature set needs an ENTITY column, whose values rows are looked up by | mark it: (ENTITY id, ..)

CREATE FEATURE SET a (ENTITY x) TTL 5 AS SELECT 1
-- error 1:37 TTL needs an interval, found 5 | add a unit: 5 MINUTES, 5 HOURS, 5 DAYS

CREATE FEATURE SET a (ENTITY x) STORE OFLINE AS SELECT 1
-- error 1:39 STORE: expected OFFLINE or ONLINE, found OFLINE | did you mean OFFLINE or ONLINE?

CREATE FEATURE VECTOR v AS FEATURES (age)
-- error 1:38 age does not say of which feature set | write feature_set.age, or age.* for all features of a set

RUN train WTIH (lr = 1)
-- error 1:11 RUN has no clause WTIH | did you mean WITH?

RUN train WITH (lr = 0.1, lr = 2)
-- error 1:27 WITH: lr is given twice | each key once

RUN train WITH (lr = 0.1
-- error 1:16 ( is never closed | a ) is missing

RUN train MAXIMIZE auc
-- error 1:11 MAXIMIZE belongs to SWEEP, and there is no SWEEP | add SWEEP (parameter IN (value, ..)) before it

CREATE SCHEDULE s CRON '0 * *' AS RUN train
-- error 1:24 a cron time has 5 fields, and '0 * *' has 3 | minute hour day-of-month month day-of-week, for example '0 6 * * mon-fri'

CREATE SCHEDULE s AS RUN train
-- error 1:19 CREATE SCHEDULE does not say when | give either CRON '0 * * * *' or EVERY 1 HOUR before AS

CREATE SCHEDULE s CRON '0 * * * *' AS RUN train WTIH (a = 1)
-- error 1:49 RUN has no clause WTIH | did you mean WITH?

CREATE WORKFLOW w AS (STEP a AS (RUN x), STEP b AFTER c AS (RUN y))
-- error 1:55 b is after c, and there is no step c | steps: a, b

CREATE ALERT a WHEN THEN RUN x
-- error 1:21 WHEN needs a condition, found THEN | for example WHEN psi > 0.2

CREATE ENDPOINT e USING MODLE m
-- error 1:25 USING: expected MODEL, ENSEMBLE, FUNCTION or GRAPH, found MODLE | did you mean MODEL?

ALTER MODEL m SET ALIAS champion
-- error 1:33 expected =, found the end | write SET ALIAS champion = 3 or SET ALIAS champion TO VERSION 3

SHOW RUNS LIKE 3
-- error 1:16 LIKE needs a text in quotes, found 3 | write '3'

DESCRIBE MODEL m extra
-- error 1:18 extra is not expected here | nothing more may follow

CREATE MODEL m
-- error 1:15 CREATE MODEL needs to know where the model comes from | add FROM 'model.onnx', FROM RUN 'id', FROM MODEL name@version or OPTIONS (..) AS SELECT ..

CRAETE MODEL m FROM 'x'
-- error 1:1 there is no statement CRAETE | did you mean CREATE MODEL?

SELCT 1
-- error 1:1 there is no statement SELCT | did you mean SELECT?

RUNN train
-- error 1:1 there is no statement RUNN | did you mean RUN?

HELLO world
-- error 1:1 there is no statement HELLO | statements begin with SELECT, INSERT, CREATE, ALTER, DROP, SHOW, DESCRIBE, RUN, REFRESH, USE PROJECT, ..

CREATE MODLE m FROM 'x'
-- error 1:8 there is no statement CREATE MODLE | did you mean CREATE MODEL?

CREATE TABEL t AS SELECT 1
-- error 1:8 there is no statement CREATE TABEL | did you mean CREATE TABLE?

CREATE
-- error 1:7 CREATE is not complete | CREATE is followed by ALERT, COLLECTION, DATASET, ENDPOINT, FEATURE, FEED, FUNCTION, INDEX, MACRO, MODEL, MONITOR, PERSISTENT, PROFILE, PROJECT, RECURSIVE, SCHEDULE, SCHEMA, SECRET, SEQUENCE, SOURCE, TABLE, TEMP, TEMPORARY, TOKEN, TRIGGER, TYPE, UNIQUE, VIEW, WORKFLOW

CREATE FEATURE a
-- error 1:16 there is no statement CREATE FEATURE a | CREATE FEATURE is followed by SET, VECTOR

CREATE FEATURE SETS a (ENTITY x)
-- error 1:16 there is no statement CREATE FEATURE SETS | did you mean CREATE FEATURE SET?

SHOW FEATUR SETS
-- error 1:6 there is no statement SHOW FEATUR | did you mean SHOW FEATURE SETS or SHOW FEATURES?

SHOW RUNS ORDER BY created_at
-- error 1:11 SHOW has no ORDER BY | SELECT .. FROM ml.runs ORDER BY .. does it; SHOW reads the views of schema ml

SHOW RUNS LIMIT ten
-- error 1:17 LIMIT needs a number, found ten | write a number, such as 1 or 0.5

SHOW RUNS IN fraud
-- error 1:11 SHOW RUNS has no clause IN | did you mean IN PROJECT?

SHOW RUNS WHERE LIMIT 3
-- error 1:17 WHERE needs a condition, found LIMIT | for example WHERE state = 'error'

DESCRIBE FEATURE SET
-- error 1:21 DESCRIBE FEATURE SET is not complete | DESCRIBE FEATURE SET is followed by a name

DESCRIBE FEATURE VECTR v
-- error 1:18 there is no statement DESCRIBE FEATURE VECTR | did you mean DESCRIBE FEATURE VECTOR?

DESCRIBE MODELL m
-- error 1:10 there is no statement DESCRIBE MODELL | did you mean DESCRIBE MODEL?

DROP MODL m
-- error 1:6 there is no statement DROP MODL | did you mean DROP MODEL?

DROP MODEL
-- error 1:11 expected the name of the model, found the end | write the name of the model here

DROP MODEL IF NOT EXISTS m
-- error 1:12 expected IF EXISTS | write DROP MODEL IF EXISTS name

DROP PROJECT fraud PURGE CASCADE
-- error 1:26 PURGE comes last | write DROP PROJECT fraud CASCADE PURGE

RESTORE PROJECT fraud.f
-- error 1:22 a project has a name of one word | inside a project, objects are written project.name

DROP PROJECT fraud@2
-- error 1:19 @ is not expected here | nothing more may follow

ALTER MODEL m SUSPEND
-- error 1:15 ALTER MODEL does not know SUSPEND here | SET ALIAS name = 3, VERSION 3 SET ALIAS = name, DROP ALIAS name, RENAME TO name or SET (key = value)

ALTER SCHEDULE s STOP
-- error 1:18 ALTER SCHEDULE s: expected SUSPEND, RESUME, RENAME or SET, found STOP | for example ALTER SCHEDULE s SUSPEND

ALTER SCHEDULE s RENAME y
-- error 1:25 expected TO, found y | write ALTER SCHEDULE s RENAME TO new_name

ALTER PROJECT fraud RENAME TO x
-- error 1:21 a project is not renamed | make a new one, or give it a COMMENT

ALTER ENDPOINT e SUSPENDED
-- error 1:18 ALTER ENDPOINT does not know SUSPENDED here | SET TRAFFIC (..), USING MODEL m@version, USING FUNCTION f@version, SUSPEND, RESUME, RENAME TO name or SET (key = value)

USE a.b
-- error 1:6 a project has a name of one word | inside a project, objects are written project.name

SET search_path = 'fraud'
-- error 1:5 SET search_path is not available: names are looked up in a project | write USE PROJECT name

SET SESSION schema = 'fraud'
-- error 1:13 SET schema is not available: names are looked up in a project | write USE PROJECT name

CREATE PROJECT ml
-- error 1:16 project name 'ml' is reserved | choose another word

CREATE PROJECT "my project"
-- error 1:16 project name 'my project' is not a plain word | use letters, digits and _, starting with a letter, at most 63

CREATE PROJECT fraud OWNER 'ana'
-- error 1:22 CREATE PROJECT has no clause OWNER | here may follow: FROM, WITH, COMMENT

CREATE PROJECT fraud WITH owner = 'ana'
-- error 1:27 WITH needs parentheses, found owner | write WITH (key = value)

CREATE PROJECT fraud WITH (owner: 'ana')
-- error 1:33 WITH: expected = after owner, found : | write owner = value

CREATE PROJECT fraud WITH (owner 'ana')
-- error 1:34 expected =, found 'ana' | write owner = value

CREATE PROJECT fraud WITH (owner = 'ana',)
-- error 1:42 WITH ends with a comma | take the comma away

CREATE PROJECT fraud WITH (a = 1 b = 2)
-- error 1:34 WITH: expected , or ) after a, found b | separate the entries by commas

CREATE OR REPLACE PROJECT IF NOT EXISTS fraud
-- error 1:27 OR REPLACE and IF NOT EXISTS exclude each other | take one of them away

CREATE PROJECT IF EXISTS fraud
-- error 1:16 expected IF NOT EXISTS | write CREATE PROJECT IF NOT EXISTS name

CREATE PROJECT 'fraud'
-- error 1:16 expected the name of the project, found 'fraud' | write fraud without quotes

CREATE SOURCE s COMMENT 'c'
-- error 1:28 CREATE SOURCE needs FROM or AS | give either FROM 'uri' or AS SELECT ..

CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts) ON ERROR IGNORE FROM s
-- error 1:56 ON ERROR: expected FAIL, SKIP or QUARANTINE, found IGNORE | for example ON ERROR FAIL

CREATE SOURCE s FROM kafka_topic
-- error 1:22 FROM needs a text in quotes, found kafka_topic | write 'kafka_topic'

CREATE SOURCE s FROM 'x' AS SELECT 1
-- error 1:37 CREATE SOURCE has FROM and AS | give either FROM 'uri' or AS SELECT ..

CREATE FEATURE SET f (ENTITY id TIMESTAMP ts)
-- error 1:43 column id: ts is not expected here | columns are separated by commas; a type may be followed by NOT NULL, CHECK (..), DEFAULT value, COMMENT 'text'

CREATE FEATURE SET f (ENTITY id, amount DOUBLE NOTNULL)
-- error 1:48 column amount: NOTNULL is not expected here | did you mean NOT NULL?

CREATE FEATURE SET f (ENTITY id, amount DOUBLE CHECK amount > 0)
-- error 1:54 CHECK needs parentheses, found amount | write CHECK (..)

CREATE FEATURE SET f (ENTITY id, amount DOUBLE CHECK (amount > 0) SEVERITY fatal)
-- error 1:76 SEVERITY: expected INFO, WARN or ERROR, found fatal | for example SEVERITY INFO

CREATE FEATURE SET f (ENTITY id, amount DOUBLE CHECK (amount > 0) CHECK (amount < 9))
-- error 1:67 column amount: CHECK is given twice | each once

CREATE FEATURE SET f (ENTITY id, amount DOUBLE CHECK ())
-- error 1:55 the parentheses of CHECK are empty | write CHECK (..) with something in it

CREATE FEATURE SET f (ENTITY id, ENTITY ID)
-- error 1:34 column ID is given twice | each column once

CREATE FEATURE SET f (ENTITY id, TIMESTAMP a, TIMESTAMP b)
-- error 1:47 a second TIMESTAMP column | a feature set has one TIMESTAMP column

CREATE FEATURE SET f (ENTITY id, KNOWN AT t)
-- error 1:22 KNOWN AT needs a TIMESTAMP column beside it | add TIMESTAMP name, the column with the time of the event

CREATE FEATURE SET f (ENTITY id,)
-- error 1:33 the columns end with a comma | take the comma away

CREATE FEATURE SET f ()
-- error 1:22 a feature set needs an ENTITY column, whose values rows are looked up by | mark it: (ENTITY id, ..)

CREATE FEATURE SET f (PRIMARY KEY id)
-- error 1:23 expected the name of the column, found PRIMARY | PRIMARY is a word of SQL: write the name of the column before it, or "PRIMARY" in quotes

CREATE FEATURE SET f (ENTITY id) TTL '2 dayz'
-- error 1:38 TTL: dayz is not a unit of time | did you mean days?

CREATE FEATURE SET f (ENTITY id) TTL INTERVAL 1 MONTH
-- error 1:49 TTL: a month has no fixed length | write it in days, for example INTERVAL '30 days'

CREATE FEATURE SET f (ENTITY id) TTL 2 dyas
-- error 1:40 TTL: dyas is not a unit of time | did you mean days?

CREATE FEATURE SET f (ENTITY id) TTL 0 DAYS
-- error 1:38 TTL needs an interval longer than nothing | write INTERVAL '5 minutes' or 5 MINUTES

CREATE FEATURE SET f (ENTITY id) TTL 1 DAY TTL 2 DAYS
-- error 1:44 TTL is given twice | keep one of them

CREATE FEATURE SET f (ENTITY id) STORE BOTH
-- error 1:40 STORE: expected OFFLINE or ONLINE, found BOTH | write STORE OFFLINE, ONLINE or OFFLINE AND ONLINE

CREATE FEATURE SET f (ENTITY id) STORE ONLINE AND ONLINE
-- error 1:51 ONLINE is given twice | write STORE OFFLINE AND ONLINE

CREATE FEATURE SET f (ENTITY id) REFRESH HOURLY
-- error 1:42 REFRESH: expected EVERY, CRON, CONTINUOUS or MANUAL, found HOURLY | for example EVERY 1 HOUR

CREATE FEATURE SET f (ENTITY id) REFRESH CRON '61 * * * *'
-- error 1:47 '61' is not a valid minute | allowed: 0 to 59, *, ranges a-b, steps */n, lists a,b

CREATE FEATURE SET f (ENTITY id) AGGREGATE (sum(amount) 1 HOUR)
-- error 1:57 expected OVER, found 1 | write sum(amount) OVER (1 HOUR)

CREATE FEATURE SET f (ENTITY id) AGGREGATE (sum(*) OVER (1 HOUR))
-- error 1:48 sum(*) is not possible | only count takes *; name a column

CREATE FEATURE SET f (ENTITY id) AGGREGATE (sum(a + b) OVER (1 HOUR))
-- error 1:51 sum takes one column, found + | compute the expression in the query and aggregate its column

CREATE FEATURE SET f (ENTITY id) AGGREGATE (count(*) OVER (CALENDAR DECADE))
-- error 1:69 OVER CALENDAR: expected MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR, found DECADE | write OVER (CALENDAR DAY)

CREATE FEATURE SET f (ENTITY id) AGGREGATE (quantile(x, high) OVER (1 HOUR))
-- error 1:57 a number between 0 and 1 was expected, found high | quantile(column, 0.95)

CREATE FEATURE SET f (ENTITY id) AS SELECT id FROM t TTL INTERVAL '2 days'
-- error 1:54 TTL stands behind the query | put all clauses before AS; the query is the last

CREATE FEATURE SET f (ENTITY id) AS SELECT id FROM t STORE ONLINE
-- error 1:54 STORE stands behind the query | put all clauses before AS; the query is the last

CREATE FEATURE SET f (ENTITY id) AS
-- error 1:36 AS needs a query | for example AS SELECT * FROM t

CREATE FEATURE SET f (ENTITY id) AS t
-- error 1:37 AS needs a query, found t | for example AS SELECT * FROM t

CREATE FEATURE SET f (ENTITY id) FROM s AS SELECT 1
-- error 1:41 CREATE FEATURE SET has AS and FROM | rows come from a query (AS) or from a source (FROM)

CREATE FEATURE SET f (ENTITY id) TRANSFORM clean AS SELECT 1
-- error 1:34 TRANSFORM needs FROM | write FROM source TRANSFORM function

CREATE FEATURE SET f (ENTITY "id)
-- error 1:30 the name in quotes is never closed | a closing " is missing

CREATE FEATURE VECTOR v (a.b)
-- error 1:25 ( is not expected here | here may follow: AS, LABEL, RELATIONS, TOLERANCE, WITH, COMMENT

CREATE FEATURE VECTOR v AS SELECT * FROM f
-- error 1:28 expected FEATURES, found SELECT | write AS FEATURES (feature_set.feature, ..)

CREATE FEATURE VECTOR v AS FEATURES ()
-- error 1:38 expected the name of the feature set, found ) | write the name of the feature set here

CREATE FEATURE VECTOR v AS FEATURES (f.a, g.a)
-- error 1:43 feature a is given twice | give one of them another name: set.feature AS other

CREATE FEATURE VECTOR v AS FEATURES (f.*) LABEL y
-- error 1:49 y does not say of which feature set | write feature_set.y

CREATE FEATURE VECTOR v AS FEATURES (f.* AS x)
-- error 1:42 f.* stands for many features and takes no AS | name the feature

CREATE FUNCTION f
-- error 1:18 CREATE FUNCTION needs FROM | add FROM 'file.py', a folder, 'git+url' or 'hub://name'

CREATE FUNCTION f FROM train.py
-- error 1:24 FROM needs a text in quotes, found train.py | write 'train.py'

CREATE FUNCTION f FROM 'train.py' RESOURCES (memory = '8GX')
-- error 1:55 memory '8GX': GX is not a unit | units: KB, MB, GB, TB, KiB, MiB, GiB, TiB

CREATE FUNCTION f FROM 'train.py' RESOURCES (memory = 8GB)
-- error 1:55 RESOURCES memory: an amount with a unit stands in quotes | write '8GB'

CREATE FUNCTION f FROM 'train.py' RESOURCES (ram = '8GB')
-- error 1:46 RESOURCES has no ram | known: cpu, memory, gpu

CREATE FUNCTION f FROM 'train.py' RESOURCES (cpu = 'four')
-- error 1:52 RESOURCES cpu needs a number, found 'four' | write four without quotes

CREATE FUNCTION f FROM 'train.py' REQUIREMENTS 'pandas'
-- error 1:48 REQUIREMENTS needs parentheses, found 'pandas' | write REQUIREMENTS ('pandas')

CREATE FUNCTION f FROM 'train.py' REQUIREMENTS (pandas)
-- error 1:49 REQUIREMENTS needs a text in quotes, found pandas | write 'pandas'

CREATE FUNCTION f FROM 'train.py' BACKOFF 3 SECONDS
-- error 1:35 BACKOFF belongs to RETRY | add RETRY n

CREATE FUNCTION f FROM 'train.py' RETRY -1
-- error 1:41 RETRY needs a whole number of 0 or more, found -1 | for example RETRY 2

CREATE FUNCTION f FROM 'train.py' RETRY two
-- error 1:41 RETRY needs a number, found two | write a number, such as 1 or 0.5

CREATE FUNCTION f FROM 'train.py' HANDLR x
-- error 1:35 CREATE FUNCTION has no clause HANDLR | did you mean HANDLER?

RUN train lr = 0.1
-- error 1:11 RUN has no clause lr | write WITH (lr = ..)

RUN train(lr = 0.1)
-- error 1:10 ( is not expected here | write WITH before the parentheses

RUN train USING (lr = 0.1)
-- error 1:17 USING needs a name, found ( | for example USING name

RUN train WITH lr = 0.1
-- error 1:16 WITH needs parentheses, found lr | write WITH (key = value)

RUN train WITH (lr == 0.1)
-- error 1:21 WITH: lr has two = signs | write lr = value

RUN train WITH (lr = )
-- error 1:22 WITH lr: expected a value, found ) | a value is a number, a text in quotes, a list, a struct, an interval, a time or a name

RUN train WITH (lr = 0.1 + 2)
-- error 1:26 WITH: expected , or ) after lr, found + | values are not computed here

RUN train WITH (path = data/x.csv)
-- error 1:24 WITH: expected , or ) after path, found / | write 'data/x.csv' if it is a text

RUN train WITH (cols = ('a', 'b'))
-- error 1:24 WITH cols: parentheses are no value | a list is written [a, b], a struct {'key': value}

RUN train WITH (x = {'a': 1, 'a': 2})
-- error 1:30 WITH x: a is given twice | each key once

RUN train WITH (x = 'it's')
-- error 1:26 the text in quotes is never closed | a closing ' is missing; one inside a text is doubled: 'it''s'

RUN train WITH (lr = $rate)
-- error 1:22 parameter $rate has no value | send its value with the statement; on the command line: --param [NAME=]VALUE

RUN train WITH (lr = ?)
-- error 1:22 parameter ? (number 1) has no value | send its value with the statement; on the command line: --param [NAME=]VALUE

RUN train FROM 'data.csv'
-- error 1:16 FROM takes a name or a query | write FROM (SELECT * FROM 'data.csv')

RUN train FROM read_csv('x.csv')
-- error 1:16 FROM takes a name or a query in parentheses | write FROM (SELECT * FROM read_csv(..))

RUN train FROM ()
-- error 1:17 the parentheses of FROM are empty | write FROM (..) with something in it

RUN train FROM SELECT * FROM t
-- error 1:16 FROM: a query stands in parentheses | write FROM (SELECT ..)

RUN train SWEEP (lr IN (0.1))
-- error 1:30 SWEEP needs a metric to choose the best trial by | add MAXIMIZE metric or MINIMIZE metric

RUN train SWEEP (lr = 0.1) MAXIMIZE auc
-- error 1:21 SWEEP lr needs IN or BETWEEN, found = | a value that stays the same belongs into WITH (lr = ..)

RUN train SWEEP (lr BETWEEN 2 AND 1) MAXIMIZE auc
-- error 1:29 SWEEP lr: 2 is not below 1 | write lr BETWEEN 1 AND 2

RUN train SWEEP (lr BETWEEN 0 AND 1 LOG) MAXIMIZE auc
-- error 1:29 SWEEP lr: a logarithmic range begins above 0 | write a positive number

RUN train SWEEP (lr BETWEEN 0 AND 1) USING grid MAXIMIZE auc
-- error 1:38 a grid needs listed values, and lr is a range | write lr IN (..), or USING random or USING tpe

RUN train SWEEP (lr IN ()) MAXIMIZE auc
-- error 1:24 SWEEP lr needs values | write IN (value, ..)

RUN train SWEEP (lr IN (1)) MAXIMIZE auc MINIMIZE loss
-- error 1:42 SWEEP has MAXIMIZE and MINIMIZE | one of them

RUN train SWEEP (lr IN (1)) MAXIMIZE auc LIMIT 0
-- error 1:48 LIMIT needs a whole number of 1 or more, found 0 | for example LIMIT 4

RUN train WITH (lr = 1) SWEEP (lr IN (1, 2)) MAXIMIZE auc
-- error 1:25 lr is in SWEEP and in WITH | give it in one of them

RUN train STOP WHEN loss < 1
-- error 1:21 STOP WHEN needs parentheses, found loss | write STOP WHEN (..)

RUN train TIMEOUT 5
-- error 1:19 TIMEOUT needs an interval, found 5 | add a unit: 5 MINUTES, 5 HOURS, 5 DAYS

RUN train ASYNC please
-- error 1:17 RUN has no clause please | here may follow: HANDLER, FROM, WITH, INPUTS, RETURNS, SWEEP, USING, MAXIMIZE, MINIMIZE, LIMIT, PARALLEL, PRUNE, MAX ERRORS, STOP WHEN, AS, LABELS, ON, RETRY, TIMEOUT

RUN
-- error 1:4 expected the name of the function, found the end | write the name of the function here

RUN 'train'
-- error 1:5 expected the name of the function, found 'train' | write train without quotes

RUN train)
-- error 1:10 ) closes nothing | take this ) away or open it before

RUN WORKFLOW
-- error 1:13 expected the name of the workflow, found the end | write the name of the workflow here

CANCEL 'a1b2'
-- error 1:8 expected RUN, found 'a1b2' | write RUN here

CANCEL RUN
-- error 1:11 CANCEL RUN needs a run's id, found the end | for example 'a1b2c3d4', or the run's name

CANCEL RUN 12
-- error 1:12 CANCEL RUN: a run's id is a text | write '12'

RERUN 'a1b2' FROM fit
-- error 1:19 expected STEP, found fit | write FROM STEP name

LOG auc = 0.9
-- error 1:5 LOG: expected METRIC, PARAM or ARTIFACT, found auc | for example LOG METRIC

LOG METRIC auc 0.9
-- error 1:16 expected =, found 0.9 | write LOG METRIC auc = value

LOG METRIC auc = 'high'
-- error 1:18 LOG METRIC needs a number, found 'high' | write high without quotes

LOG METRIC auc = 0.9 STEP 1.5
-- error 1:27 STEP needs a whole number of 0 or more, found 1.5 | for example STEP 2

LOG ARTIFACT 'x'
-- error 1:17 expected FROM, found the end | write LOG ARTIFACT 'x' FROM 'path'

CREATE MODEL m FROM model.onnx
-- error 1:21 FROM needs a text in quotes, found model.onnx | write 'model.onnx'

CREATE MODEL FROM 'model.onnx'
-- error 1:14 expected the name of the model, found FROM | FROM is a word of SQL: write the name of the model before it, or "FROM" in quotes

CREATE MODEL m@2 FROM 'model.onnx'
-- error 1:15 a version is not possible here: the model is meant as a whole | leave @2 away

CREATE MODEL m FROM 'x' ARTIFACT 'y'
-- error 1:25 ARTIFACT belongs to FROM RUN | write FROM RUN 'id' ARTIFACT 'name'

CREATE MODEL m AS SELECT * FROM t
-- error 1:16 a model made from a query needs OPTIONS | add OPTIONS (model_type = 'logistic_reg', input_label_cols = ['y']) before AS

CREATE MODEL m OPTIONS (model_type = 'x')
-- error 1:42 CREATE MODEL needs to know where the model comes from | add FROM 'model.onnx', FROM RUN 'id', FROM MODEL name@version or OPTIONS (..) AS SELECT ..

CREATE MODEL m FROM 'x' METRICS (auc = 'high')
-- error 1:40 METRICS auc needs a number, found 'high' | write high without quotes

CREATE MODEL m FROM 'x' INPUT (age)
-- error 1:35 expected a type, found ) | for example DOUBLE, BIGINT, VARCHAR or TIMESTAMP

CREATE MODEL m FROM 'x' ALIAS 'champion'
-- error 1:31 expected the name of the alias, found 'champion' | write champion without quotes

ALTER MODEL m SET ALIAS champion = '3'
-- error 1:36 a version has no quotes | write 3

ALTER MODEL m SET ALIAS champion = 3.5
-- error 1:36 expected a version or an alias, found 3.5 | for example @3 or @champion

ALTER MODEL m SET champion = 3
-- error 1:15 ALTER MODEL does not know SET here | SET ALIAS name = 3, VERSION 3 SET ALIAS = name, DROP ALIAS name, RENAME TO name or SET (key = value)

ALTER MODEL m@3 SET ALIAS champion
-- error 1:14 a version is not possible here: the model is meant as a whole | leave @3 away

CREATE ENDPOINT e
-- error 1:18 CREATE ENDPOINT needs to know what answers | give either USING MODEL m@champion or TRAFFIC (m@1 90%, m@2 10%)

CREATE ENDPOINT e USING m@champion
-- error 1:25 USING: expected MODEL, ENSEMBLE, FUNCTION or GRAPH, found m | for example USING MODEL m@champion

CREATE ENDPOINT e USING ENSEMBLE (m@1, m@2)
-- error 1:34 USING ENSEMBLE: expected MEAN, VOTE, WEIGHTED or STACK, found ( | for example USING ENSEMBLE MEAN (m@1, n@champion)

CREATE ENDPOINT e USING ENSEMBLE STACK (m@1, n)
-- error 1:48 expected BY, found the end | name the model that the stack ends in: STACK (m@1, n@2) BY meta@1

CREATE ENDPOINT e USING ENSEMBLE MEAN (m@1 WEIGHT 2, n)
-- error 1:44 an ensemble of kind MEAN has no weights | write ENSEMBLE WEIGHTED

CREATE ENDPOINT e USING ENSEMBLE MEAN (m@1)
-- error 1:39 an ensemble has two models or more | for one model write USING MODEL

CREATE ENDPOINT e TRAFFIC (m@1 90, m@2 10)
-- error 1:34 TRAFFIC: 90 needs a % sign, found , | write 90%

CREATE ENDPOINT e TRAFFIC (m@1 90%, m@2 20%)
-- error 1:27 the shares of TRAFFIC add up to 110% | they must add up to 100%

CREATE ENDPOINT e TRAFFIC (m@1 50%, m@1 50%)
-- error 1:37 TRAFFIC: m is given twice with the same version | each version once

CREATE ENDPOINT e USING MODEL m LOG 10
-- error 1:39 LOG: 10 needs a % sign, found the end | write 10%, ALL or NONE

CREATE ENDPOINT e USING MODEL m LOG 110%
-- error 1:37 LOG: 110% is not between 0% and 100% | write a share, ALL or NONE

CREATE ENDPOINT e USING MODEL m LOG SOME
-- error 1:37 LOG: expected ALL or NONE, found SOME | for example LOG ALL

CREATE ENDPOINT e USING MODEL m PATH 'score'
-- error 1:38 PATH 'score' does not start with / | write '/score'

CREATE ENDPOINT e USING MODEL m IMPUTE (a = 1)
-- error 1:33 IMPUTE belongs to ENRICH WITH | add ENRICH WITH vector

CREATE ENDPOINT e USING MODEL m ENRICH v
-- error 1:33 CREATE ENDPOINT has no clause ENRICH | did you mean ENRICH WITH?

CREATE ENDPOINT e USING MODEL m@
-- error 1:33 expected a version or an alias, found the end | for example @3 or @champion

CREATE WORKFLOW w
-- error 1:18 CREATE WORKFLOW needs its steps | add AS (STEP a AS (statement), STEP b AFTER a AS (statement))

CREATE WORKFLOW w AS ()
-- error 1:23 a workflow needs a step | write STEP name [AFTER other] AS (statement)

CREATE WORKFLOW w AS (RUN a)
-- error 1:23 expected STEP, found RUN | write STEP name [AFTER other] AS (statement)

CREATE WORKFLOW w AS (STEP a (RUN a))
-- error 1:30 step a: expected AS (statement), found ( | write STEP name [AFTER other] AS (statement)

CREATE WORKFLOW w AS (STEP a AS RUN a)
-- error 1:33 AS needs parentheses, found RUN | write AS (..)

CREATE WORKFLOW w AS (STEP a AS (RUN a) STEP b AS (RUN b))
-- error 1:41 expected a comma, found STEP | steps are separated by commas

CREATE WORKFLOW w AS (STEP a AS (RUN a), STEP A AS (RUN b))
-- error 1:47 step A is given twice | each step has a name of its own

CREATE WORKFLOW w AS (STEP a AFTER b AS (RUN a), STEP b AFTER a AS (RUN b))
-- error 1:28 steps wait for each other: a after b after a | take one of these AFTER away

CREATE WORKFLOW w AS (STEP fit AS (RUN a), STEP b AFTER fitt AS (RUN b))
-- error 1:57 b is after fitt, and there is no step fitt | did you mean fit?

CREATE WORKFLOW w AS (STEP a AS (RUN a; RUN b))
-- error 1:39 step a holds one statement | put the second one into a step of its own

CREATE WORKFLOW w AS (STEP a AS ())
-- error 1:34 the parentheses of AS are empty | write AS (..) with something in it

CREATE WORKFLOW w AS (STEP a AS (RUN a WTIH (x = 1)))
-- error 1:40 RUN has no clause WTIH | did you mean WITH?

CREATE WORKFLOW w AS (STEP a AS (SELCT 1))
-- error 1:34 there is no statement SELCT | did you mean SELECT?

CREATE WORKFLOW w AS (STEP a WEHN (x > 1) AS (RUN a))
-- error 1:30 step a: expected AS (statement), found WEHN | did you mean WHEN?

CREATE WORKFLOW w AS (STEP a WHEN x > 1 AS (RUN a))
-- error 1:35 WHEN needs parentheses, found x | write WHEN (..)

CREATE WORKFLOW w AS (FINALLY AS (RUN a), STEP b AS (RUN b))
-- error 1:41 FINALLY stands behind all steps | move it to the end

CREATE WORKFLOW w AS (STEP a AS (RUN a)
-- error 1:22 ( is never closed | a ) is missing

CREATE SCHEDULE s CRON '0 * * * *'
-- error 1:35 CREATE SCHEDULE does not say what to do | add AS statement, ours or plain SQL

CREATE SCHEDULE s CRON '0 * * * *' EVERY 1 HOUR AS RUN f
-- error 1:49 CREATE SCHEDULE has CRON and EVERY | give either CRON '0 * * * *' or EVERY 1 HOUR before AS

CREATE SCHEDULE s EVERY 1 HOUR RUN f
-- error 1:32 CREATE SCHEDULE has no clause RUN | here may follow: CRON, TIMEZONE, AS, DO, COMMENT

CREATE SCHEDULE s EVERY HOUR AS RUN f
-- error 1:25 EVERY needs an interval, found HOUR | write EVERY 1 HOUR

CREATE SCHEDULE s CRON 0 * * * * AS RUN f
-- error 1:24 CRON needs a cron time in quotes, found 0 | for example CRON '0 * * * *'

CREATE SCHEDULE s CRON '@dayly' AS RUN f
-- error 1:24 @dayly is not a name for a cron time | did you mean @daily or @yearly?

CREATE SCHEDULE s CRON '@daily' TIMEZONE 'Europe/Berln' AS RUN f
-- error 1:42 there is no time zone 'Europe/Berln' | did you mean Europe/Berlin or Europe/Dublin or Europe/Belfast?

CREATE SCHEDULE s EVERY 1 DAY AS
-- error 1:33 the statement of AS is empty | write one statement, ours or plain SQL

CREATE SCHEDULE CRON '@daily' AS RUN f
-- error 1:22 '@daily' is not expected here | CRON was taken for the name: write the name before it

CREATE MONITOR m
-- error 1:17 CREATE MONITOR does not say on what | add ON ENDPOINT e, ON MODEL m, ON FEATURE SET f or ON TABLE t

CREATE MONITOR m ON e
-- error 1:21 ON: expected ENDPOINT, MODEL, FEATURE SET or TABLE, found e | for example ON ENDPOINT score

CREATE MONITOR m ON ENDPONT e
-- error 1:21 ON: expected ENDPOINT, MODEL, FEATURE SET or TABLE, found ENDPONT | did you mean ENDPOINT?

CREATE MONITOR m ON ENDPOINT e METRICS (psi, psi)
-- error 1:46 metric psi is given twice | each once

CREATE MONITOR m ON ENDPOINT e METRICS psi
-- error 1:40 METRICS needs parentheses, found psi | write METRICS (psi, ks, auc)

CREATE MONITOR m ON ENDPOINT e WINDOW 1
-- error 1:39 WINDOW needs an interval, found 1 | add a unit: 1 MINUTES, 1 HOURS, 1 DAYS

CREATE MONITOR m ON ENDPOINT e LABELS (t)
-- error 1:32 CREATE MONITOR has no clause LABELS | did you mean LABELS FROM?

CREATE ALERT a ON MONITOR m psi > 0.2 THEN RUN x
-- error 1:29 CREATE ALERT has no clause psi | here may follow: WHEN, FOR, EVERY, COOLDOWN, SEVERITY, COMMENT

CREATE ALERT a ON MONITOR m WHEN psi > 0.2
-- error 1:43 CREATE ALERT does not say what to do | add THEN NOTIFY 'https://..' or THEN statement

CREATE ALERT a ON MONITOR m WHEN psi > 0.2 THEN
-- error 1:48 THEN needs an action, found the end | write THEN NOTIFY 'https://..' or THEN statement

CREATE ALERT a ON MONITOR m WHEN psi > 0.2 NOTIFY 'x'
-- error 1:54 CREATE ALERT does not say what to do | add THEN NOTIFY 'https://..' or THEN statement

CREATE ALERT a ON MONITOR m WHEN psi > 0.2 THEN NOTIFY 'hook'
-- error 1:56 NOTIFY 'hook' is not a URL | for example 'https://..'; known: console:, http:, https:, log:

CREATE ALERT a ON MONITOR m WHEN psi > 0.2 THEN NOTIFY 'https://x' SEVERITY high
-- error 1:68 expected a comma, found SEVERITY | URLs are separated by commas; another action begins with THEN

CREATE ALERT a ON MONITOR m WHEN psi > 0.2 SEVERITY hihg THEN RUN x
-- error 1:53 SEVERITY: expected INFO, LOW, MEDIUM, WARNING, HIGH or CRITICAL, found hihg | did you mean HIGH?

CREATE ALERT a ON MODEL m WHEN psi > 0.2 THEN RUN x
-- error 1:19 ON: expected MONITOR, RUN, ENDPOINT or FEATURE SET, found MODEL | for example ON MONITOR drift

GRANT owner ON PROJECT fraud TO 'ana'
-- error 1:7 GRANT: expected VIEWER, EDITOR or ADMIN, found owner | for example GRANT VIEWER

GRANT viewer ON fraud TO 'ana'
-- error 1:17 expected PROJECT, found fraud | write GRANT viewer ON PROJECT name TO 'user'

GRANT viewer ON PROJECT fraud TO ana
-- error 1:34 TO needs a text in quotes, found ana | write 'ana'

REVOKE viewer ON PROJECT fraud TO 'ana'
-- error 1:32 expected FROM, found TO | write REVOKE viewer ON PROJECT name FROM 'user'

CREATE TOKEN 'ana'
-- error 1:14 expected FOR, found 'ana' | write CREATE TOKEN FOR 'user'

SET SECRET key 'abc'
-- error 1:16 expected =, found 'abc' | write SET SECRET key = 'value', or = $1 to keep the value out of the text

CREATE PROFILE lake WITH (key = 'k')
-- error 1:37 CREATE PROFILE needs TYPE | write TYPE s3

CREATE PROFILE lake TYPE s3
-- error 1:28 CREATE PROFILE needs WITH | write WITH (key = $1, secret = $2)

CREATE PROFILE lake TYPE s3 (key = 'k')
-- error 1:29 TYPE: s3(..) is not a value | a value is a number, a text in quotes, a list, a struct, an interval, a time or a name

SET SECRET key = abc
-- error 1:18 the value of a secret is a text in quotes or a parameter | write SET SECRET key = $1

PUBLISH train TO 'hub'
-- error 1:9 expected FUNCTION, found train | write PUBLISH FUNCTION name TO 'hub'

PUBLISH FUNCTION train
-- error 1:23 expected TO, found the end | write PUBLISH FUNCTION train TO 'hub'

REFRESH tx_1h
-- error 1:9 there is no statement REFRESH tx_1h | REFRESH is followed by COLLECTION, FEATURE, MODEL, MONITOR

REFRESH FEATURE SET tx FROM 'yesterday'
-- error 1:29 FROM: 'yesterday' is not a time | write TIMESTAMP '2026-01-31 12:00:00'

REFRESH FEATURE SET tx FROM '2026-02-01' TO '2026-01-01'
-- error 1:42 TO is not later than FROM | FROM is inclusive, TO exclusive

REFRESH MONITOR m ONLINE
-- error 1:19 REFRESH MONITOR has no clause ONLINE | here may follow: FULL, FROM, TO

EXPLAIN RNU train
-- error 1:9 there is no statement RNU | did you mean RUN?

RUN a.b.c
-- error 1:8 a name has at most two parts | write name or project.name

RUN train AS 'nightly'
-- error 1:14 expected the name of the run, found 'nightly' | write nightly without quotes

RUN train WITH (n = 10MB)
-- error 1:21 WITH n: 10MB is not a number | write '10MB' if it is a text

DROP MODEL m CASCADED
-- error 1:14 CASCADED is not expected here | nothing more may follow

CREATE FEATURE SET f (
    ENTITY id,
    amount DOUBLE
)
STORE ONLIN
AS SELECT 1
-- error 5:7 STORE: expected OFFLINE or ONLINE, found ONLIN | did you mean ONLINE or OFFLINE?

CREATE WORKFLOW w AS (
    STEP prep AS (RUN prep),
    STEP fit AFTER prep AS (
        RUN train
            WITH (lr = )
    )
)
-- error 5:24 WITH lr: expected a value, found ) | a value is a number, a text in quotes, a list, a struct, an interval, a time or a name

RUN train WITH (x = 'it's')
-- error 1:26 the text in quotes is never closed | a closing ' is missing; one inside a text is doubled: 'it''s'

CREATE FEATURE SET f (ENTITY "id)
-- error 1:30 the name in quotes is never closed | a closing " is missing

RUN train WITH (a = [1, 2)
-- error 1:26 [ is closed by ) | expected ]

RUN train WITH (a = 1))
-- error 1:23 ) closes nothing | take this ) away or open it before

-- with {"lr": 1, "2": 3}
RUN train WITH (lr = $rate)
-- error 1:22 parameter $rate has no value | given: $lr, $2

-- with {"t": 5}
RUN train TIMEOUT $t
-- error 1:19 TIMEOUT needs an interval, and $t is 5 | pass a text like '5 minutes'

-- with {"n": "two"}
RUN train RETRY $n
-- error 1:17 RETRY needs a number, and $n is 'two' | pass it as a number

-- with {"id": 7}
CANCEL RUN $id
-- error 1:12 $id is 7, not a run's id | pass the id as text

-- with {"path": 3}
CREATE MODEL m FROM $path
-- error 1:21 FROM needs a text, and $path is 3 | pass it as text

-- with {"t": "soon"}
REFRESH FEATURE SET f FROM $t
-- error 1:28 FROM: 'soon' is not a time | write TIMESTAMP '2026-01-31 12:00:00'

-- with {"c": "61 * * * *"}
CREATE SCHEDULE s CRON $c AS RUN f
-- error 1:24 '61' is not a valid minute | allowed: 0 to 59, *, ranges a-b, steps */n, lists a,b

-- with {"a": 70, "b": 40}
CREATE ENDPOINT e TRAFFIC (m@1 $a%, m@2 $b%)
-- error 1:27 the shares of TRAFFIC add up to 110% | they must add up to 100%

-- with {"a": 2, "b": 1}
RUN train SWEEP (lr BETWEEN $a AND $b) MAXIMIZE auc
-- error 1:29 SWEEP lr: 2 is not below 1 | write lr BETWEEN 1 AND 2

-- with {"y": 1}
RUN train FROM (SELECT $x)
-- error 1:24 parameter $x has no value | given: $y

-- with {"m": "lots"}
CREATE FUNCTION f FROM 'f.py' RESOURCES (memory = $m)
-- error 1:51 memory 'lots' is not an amount of memory | for example '8GB' or '512MiB'

CREATE FEATURE SET f (id BIGINT PRIMARY KEY, x INT)
-- error 1:33 column id: PRIMARY is not expected here | write ENTITY before the column's name instead of PRIMARY KEY behind it

CREATE FEATURE SET f (ENTITY id BIGINT PRIMARY KEY)
-- error 1:40 column id: PRIMARY is not expected here | write ENTITY before the column's name instead of PRIMARY KEY behind it

CREATE FEATURE SET order (ENTITY id)
-- error 1:20 expected the name of the feature set, found order | order is a word of SQL: write the name of the feature set before it, or "order" in quotes

CREATE MODEL "a/b" FROM 'm.onnx'
-- error 1:14 model 'a/b' may not hold '@', '/', '\' or control characters | choose another

RUN train WITH (timeout = INTERVAL '1 fortnight')
-- error 1:36 WITH timeout: fortnight is not a unit of time | units: seconds, minutes, hours, days, weeks, milliseconds, microseconds

CREATE SCHEDULE s EVERY '1 hour 30' AS RUN f
-- error 1:25 EVERY: '1 hour 30' is not an interval | write INTERVAL '5 minutes' or 5 MINUTES

CREATE SCHEDULE s EVERY 99999999999 DAYS AS RUN f
-- error 1:25 EVERY: the interval is too long | write INTERVAL '5 minutes' or 5 MINUTES

RUN é.ü WITH (naïve = 'é', x y)
-- error 1:30 expected =, found y | write x = value

SHOW RUNS OF
-- error 1:13 OF needs a name, found the end | for example OF name

SHOW LINEAGE OF MODLE m
-- error 1:17 SHOW LINEAGE OF needs a kind of object, found MODLE | did you mean MODEL?

SHOW LINEAGE OF m
-- error 1:17 SHOW LINEAGE OF needs a kind of object, found m | kinds: ALERT, ARTIFACT, COLLECTION, ENDPOINT, FEATURE SET, FEATURE VECTOR, FEED, FUNCTION, HUB FUNCTION, MEMBER, MODEL, MONITOR, PROFILE, PROJECT, RUN, SCHEDULE, SECRET, SOURCE, TOKEN, WORKFLOW

DESCRIBE MODEL FROM x
-- error 1:16 DESCRIBE MODEL needs a name, found FROM | write DESCRIBE MODEL name

ALTER FEATURE SET f ADD x DOUBLE
-- error 1:25 expected COLUMN, found x | write ALTER FEATURE SET f ADD COLUMN name

ALTER FEATURE SET f ADD COLUMN ENTITY x DOUBLE
-- error 1:47 only features are added | CREATE OR REPLACE FEATURE SET changes keys and times

ALTER FEATURE SET f ALTER COLUMN x DOUBLE
-- error 1:36 expected TYPE, found DOUBLE | write ALTER FEATURE SET f ALTER COLUMN x TYPE DOUBLE

ALTER FEATURE SET f DROP COLUMN x NEW
-- error 1:35 NEW is not expected here | nothing more may follow

ALTER FEATURE SET f SET owner = 'ana'
-- error 1:25 SET needs parentheses, found owner | write SET (key = value)

ALTER ALERT a RENAME TO b.c
-- error 1:26 an object stays in its project | RENAME TO takes a name without a project

DROP SECRET
-- error 1:12 expected the name of the secret, found the end | write the name of the secret here

GRANT viewer TO 'ana'
-- error 1:14 expected ON, found TO | write GRANT viewer ON PROJECT name TO 'user'

CREATE ALERT a WHEN psi > 0.2 FOR 3 THEN RUN f
-- error 1:35 FOR needs an interval, found 3 | add a unit: 3 MINUTES, 3 HOURS, 3 DAYS

CREATE ALERT a WHEN psi > 0.2 FOR EVER THEN RUN f
-- error 1:35 FOR needs an interval, found EVER | write INTERVAL '5 minutes' or 5 MINUTES

CREATE ALERT a WHEN psi > 0.2 EVERY HOUR THEN RUN f
-- error 1:37 EVERY needs an interval, found HOUR | write EVERY 1 HOUR

CREATE WORKFLOW w AS (STEP a AS (RUN f) WHEN (x))
-- error 1:41 expected a comma, found WHEN | WHEN stands before AS

CREATE WORKFLOW w AS (STEP a AFTER a AS (RUN f))
-- error 1:28 steps wait for each other: a after a | take one of these AFTER away

CREATE WORKFLOW w AS (STEP a AFTER b AS (RUN f), STEP b AFTER c AS (RUN f), STEP c AFTER a AS (RUN f))
-- error 1:28 steps wait for each other: a after b after c after a | take one of these AFTER away

CREATE MODEL m FROM RUN
-- error 1:24 FROM RUN needs a run's id, found the end | for example 'a1b2c3d4', or the run's name

RUN train ON
-- error 1:13 ON needs a name, found the end | for example ON name

CREATE ENDPOINT e USING MODEL m USING MODEL n
-- error 1:33 USING is given twice | keep one of them

RUN train SWEEP (lr IN (1, 2)) MINIMIZE loss MAX ERRORS 0
-- error 1:57 MAX ERRORS needs a whole number of 1 or more, found 0 | for example MAX ERRORS 4

RUN train WITH (lr = 1) PRUNE MEDIAN
-- error 1:25 PRUNE belongs to SWEEP, and there is no SWEEP | add SWEEP (parameter IN (value, ..)) before it

COLLECT GARBAGE NOW
-- error 1:17 NOW is not expected here | nothing more may follow

SHOW
-- error 1:1 SHOW is not complete | SHOW TABLES, SHOW RUNS, SHOW MODELS, SHOW FUNCTIONS, ..: .help SHOW in the shell lists all

SHOW CREATE ENDPOINT score
-- error 1:6 there is no statement SHOW CREATE | DESCRIBE ENDPOINT name, and the like, tells of one; EXPORT PROJECT name TO 'name.sql' writes the statements

HELP CREATE MODEL
-- error 1:1 there is no statement HELP | the shell has .help; all statements are in docs/reference/sql.md

help
-- error 1:1 there is no statement HELP | the shell has .help; all statements are in docs/reference/sql.md

USE PROJEKT shop
-- error 1:5 USE has no PROJEKT | did you mean USE PROJECT?

EXPORT PROJECT shop 'shop.zip'
-- error 1:21 expected TO, found 'shop.zip' | write TO here

DROP ARTIFACT 'a'@'2'
-- error 1:19 a version has no quotes | write 2

ALTER ARTIFACT 'report'@2 SET ALIAS stable = 2
-- error 1:16 an alias is of the artifact and not of a version of it | write ALTER ARTIFACT 'report' SET ALIAS name = 2

RUN look INPUTS (board = ARTIFACT 'b'@)
-- error 1:39 expected a version or an alias, found ) | for example @3 or @champion

ALTER ARTIFACT report SET stable = 2
-- error 1:23 ALTER ARTIFACT does not know SET here | SET ALIAS name = 3, DROP ALIAS name, SET LABELS (key = value, ..) or DROP LABELS (key, ..)

ALTER ARTIFACT report SET ALIAS stable 2
-- error 1:40 expected =, found 2 | write SET ALIAS stable = 3 or SET ALIAS stable TO VERSION 3

ALTER ARTIFACT report DROP LABELS stage
-- error 1:35 DROP LABELS needs parentheses, found stage | write DROP LABELS (key, ..)

RESTORE TABLE t
-- error 1:9 RESTORE does not know TABLE here | RESTORE RUN 'id', RESTORE MODEL m, RESTORE FUNCTION f ..

RESTORE WORKFLOW w@2
-- error 1:19 a version is not possible here: the workflow is meant as a whole | leave @2 away

CREATE COLLECTION notes TEXT body AS SELECT 1
-- error 1:46 CREATE COLLECTION needs the key of its rows | add KEY (column, ..) before AS

CREATE COLLECTION notes KEY (id) TEXT body
-- error 1:43 CREATE COLLECTION needs its query | end it with AS SELECT ..

CREATE COLLECTION notes KEY id TEXT body AS SELECT 1
-- error 1:29 KEY needs parentheses, found id | write KEY (column, ..)

CREATE COLLECTION notes KEY (id) TEXT body SPLIT (size = 10, overlap = 10) AS SELECT 1
-- error 1:50 pieces of 10 characters cannot repeat 10 | the overlap is smaller than the size

CREATE COLLECTION notes KEY (id) TEXT body SPLIT (sice = 10) AS SELECT 1
-- error 1:51 SPLIT: expected SIZE or OVERLAP, found sice | did you mean SIZE?

CREATE COLLECTION notes KEY (id) TEXT body METRIC cosin AS SELECT 1
-- error 1:51 METRIC: expected COSINE, L2 or DOT, found cosin | did you mean COSINE?

CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH f AS SELECT 1
-- error 1:55 EMBED WITH: expected MODEL or FUNCTION, found f | for example EMBED WITH MODEL

CREATE COLLECTION notes KEY (id) TEXT body TOKENIZER 't.json' AS SELECT 1
-- error 1:44 TOKENIZER belongs to a model | add EMBED WITH MODEL m

CREATE COLLECTION notes KEY (id) AS SELECT id, body FROM t METRIC l2
-- error 1:60 METRIC stands behind the query | put all clauses before AS; the query is the last

CREATE COLECTION notes KEY (id) TEXT body AS SELECT 1
-- error 1:8 there is no statement CREATE COLECTION | did you mean CREATE COLLECTION?

REFRESH COLLECTION notes ONLINE
-- error 1:26 REFRESH COLLECTION has no clause ONLINE | here may follow: FULL

CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH FUNCTION f TOKENIZER 't.json' AS SELECT 1
-- error 1:66 TOKENIZER belongs to a model | a function makes its own tokens

CREATE FEATURE VECTOR v AS FEATURES (a.x, b.y) RELATIONS (a.x = b.*)
-- error 1:67 each side of a relation is one column | write b.column

CREATE FEATURE VECTOR v AS FEATURES (a.x) RELATIONS (a.x b.k)
-- error 1:58 expected =, found b | write set.feature = other_set.entity

CREATE FEATURE VECTOR v AS FEATURES (a.x) TOLERANCE (a = INTERVAL '1 day', a = INTERVAL '2 days')
-- error 1:76 TOLERANCE: a is given twice | each set once

CREATE DATASET training COMMENT 'of May'
-- error 1:41 CREATE DATASET needs its query | end it with AS SELECT ..

CREATE DATASET training ENGINE AS FROM asked
-- error 1:32 ENGINE needs a name, found AS | for example ENGINE name; if "AS" is the name, write it in quotes

VERIFY MODEL m
-- error 1:8 there is no statement VERIFY MODEL | VERIFY is followed by FEATURE

VERIFY FEATURE VECTOR v SAMPLE 0
-- error 1:32 SAMPLE needs a whole number of 1 or more, found 0 | for example SAMPLE 4

DELETE ENTITY () FROM PROJECT p
-- error 1:15 DELETE ENTITY needs the entity | write DELETE ENTITY (customer = 7) FROM ..

DELETE ENTITY (customer = 7) FROM customers
-- error 1:35 expected FEATURE, found customers | write FROM FEATURE SET name, or FROM PROJECT name

DELETE ENTITY customer = 7 FROM PROJECT p
-- error 1:15 DELETE ENTITY needs parentheses, found customer | write DELETE ENTITY (key = value)

ALTER RUN nightly RENAME TO x
-- error 1:19 ALTER RUN does not know RENAME here | SET (note = 'text'), SET LABELS (key = value, ..) or DROP LABELS (key, ..)

ALTER RUN nightly DROP LABEL team
-- error 1:19 ALTER RUN does not know DROP here | SET (note = 'text'), SET LABELS (key = value, ..) or DROP LABELS (key, ..)

ALTER FUNCTION f SET ALIAS stable 3
-- error 1:35 expected =, found 3 | write SET ALIAS stable = 3 or SET ALIAS stable TO VERSION 3

CREATE FUNCTION f RUNTIME sql AS
-- error 1:33 AS needs a query | for example RUNTIME sql AS SELECT * FROM t WHERE amount > $least

CREATE FUNCTION f FROM 'x.sql' RUNTIME sql AS SELECT 1
-- error 1:44 CREATE FUNCTION has FROM and AS | take one of them away

DEPLOY ENDPOINT e
-- error 1:18 expected ON, found the end | write ON DOCKER or ON KUBERNETES

DEPLOY ENDPOINT e ON MARS
-- error 1:22 ON: expected DOCKER or KUBERNETES, found MARS | for example ON DOCKER

UNDEPLOY ENDPOINT e ON
-- error 1:23 ON: expected DOCKER or KUBERNETES, found the end | for example ON DOCKER

UNDEPLOY ENDPOINT e FORCE ON DOCKER
-- error 1:27 ON is not expected here | nothing more may follow

CREATE FEED f TO ENDPOINT e
-- error 1:28 CREATE FEED does not say where rows come from | FROM SOURCE s, FROM TABLE t, FROM (SELECT ..)

CREATE FEED f FROM SOURCE s
-- error 1:28 CREATE FEED does not say whom it asks | add TO ENDPOINT name

CREATE FEED f FROM tx TO ENDPOINT e
-- error 1:20 FROM needs SOURCE, TABLE or a query, found tx | for example FROM SOURCE tx, FROM TABLE orders, or FROM (SELECT ..) EVERY 1 MINUTE

CREATE FEED f FROM (SELECT 1 AS x) TO ENDPOINT e
-- error 1:15 a query needs a clock | add EVERY 1 MINUTE, or CRON '0 * * * *'

CREATE FEED f FROM SOURCE s EVERY 1 MINUTE TO ENDPOINT e
-- error 1:29 EVERY is for a query | for example FROM (SELECT ..) EVERY 1 MINUTE

CREATE FEED f FROM SOURCE s TO ENDPOINT e INTO scores
-- error 1:48 INTO needs TABLE or an address, found scores | INTO TABLE scores, INTO 'redis://host:6379/stream', INTO 'https://host/hook'
