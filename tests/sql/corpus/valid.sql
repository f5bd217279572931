CREATE PROJECT fraud
-- => CreateProject name='fraud'

CREATE OR REPLACE PROJECT fraud WITH (owner = 'ana', retention = INTERVAL '90 days') COMMENT 'card fraud'
-- => CreateProject name='fraud', replace=True, options={owner: 'ana', retention: 90 days, 0:00:00}, comment='card fraud'

CREATE PROJECT IF NOT EXISTS fraud
-- => CreateProject name='fraud', if_not_exists=True

USE PROJECT fraud
-- => UseProject name='fraud'

CREATE SOURCE tx TYPE kafka FROM 'kafka://broker:9092/tx' WITH (group_id = 'mlbox', format = json)
-- => CreateSource ref=p.tx, type='kafka', uri='kafka://broker:9092/tx', options={group_id: 'mlbox', format: 'json'}

CREATE FEATURE SET customers (ENTITY customer_id, TIMESTAMP updated_at) AS SELECT customer_id, updated_at, age, city FROM read_parquet('customers/*.parquet')
-- => CreateFeatureSet ref=p.customers, columns=(Column(name='customer_id', role='entity'), Column(name='updated_at', role='timestamp')), query=<SELECT customer_id, updated_at, age, city FROM read_parquet('customers/*.parquet')>

CREATE OR REPLACE FEATURE SET tx_1h (ENTITY customer_id, TIMESTAMP ts, amount CHECK (amount >= 0)) TTL INTERVAL '2 days' STORE OFFLINE AND ONLINE REFRESH EVERY 5 MINUTES WITH (owner = 'ana') AS SELECT customer_id, ts, sum(amount) OVER w AS s1h, count(*) OVER w AS n1h FROM tx WINDOW w AS (PARTITION BY customer_id ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW)
-- => CreateFeatureSet ref=p.tx_1h, columns=(Column(name='customer_id', role='entity'), Column(name='ts', role='timestamp'), Column(name='amount', check=<amount >= 0>)), replace=True, ttl=2 days, 0:00:00, store='both', refresh=Refresh(mode='every', every=0:05:00), options={owner: 'ana'}, query=<SELECT customer_id, ts, sum(amount) OVER w AS s1h, count(*) OVER w AS n1h FROM tx WINDOW w AS (PARTITION BY customer_id ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW)>

CREATE FEATURE SET landed (ENTITY carrier, TIMESTAMP departed, KNOWN AT landed_at, delay DOUBLE) AS SELECT carrier, departed, landed_at, delay FROM flights
-- => CreateFeatureSet ref=p.landed, columns=(Column(name='carrier', role='entity'), Column(name='departed', role='timestamp'), Column(name='landed_at', role='known_at'), Column(name='delay', type='DOUBLE')), query=<SELECT carrier, departed, landed_at, delay FROM flights>

CREATE FEATURE SET raw_tx (ENTITY tx_id BIGINT, TIMESTAMP ts, amount DOUBLE NOT NULL CHECK (amount > 0), tags VARCHAR[]) STORE ONLINE
-- => CreateFeatureSet ref=p.raw_tx, columns=(Column(name='tx_id', role='entity', type='BIGINT'), Column(name='ts', role='timestamp'), Column(name='amount', type='DOUBLE', not_null=True, check=<amount > 0>), Column(name='tags', type='VARCHAR[]')), store='online'

CREATE FEATURE SET paid (ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0) CHECK (amount < 100) SEVERITY WARN CHECK (amount <> 7) SEVERITY INFO, code VARCHAR CHECK (code <> '') SEVERITY ERROR)
-- => CreateFeatureSet ref=p.paid, columns=(Column(name='id', role='entity', type='BIGINT'), Column(name='ts', role='timestamp'), Column(name='amount', type='DOUBLE', check=<amount >= 0>, watches=(Watch(check=<amount < 100>, severity='warn'), Watch(check=<amount <> 7>, severity='info'))), Column(name='code', type='VARCHAR', check=<code <> ''>))

CREATE FEATURE SET filed (ENTITY id BIGINT, TIMESTAMP ts, kind VARCHAR) PARTITION BY (kind, ts) WITH (location = 's3://lake/filed')
-- => CreateFeatureSet ref=p.filed, columns=(Column(name='id', role='entity', type='BIGINT'), Column(name='ts', role='timestamp'), Column(name='kind', type='VARCHAR')), partition_by=('kind', 'ts'), options={location: 's3://lake/filed'}

REFRESH FEATURE SET tx_1h FROM TIMESTAMP '2026-01-01' TO TIMESTAMP '2026-02-01'
-- => RefreshFeatureSet ref=p.tx_1h, start=2026-01-01 00:00:00+00:00, end=2026-02-01 00:00:00+00:00

REFRESH FEATURE SET tx_1h FULL
-- => RefreshFeatureSet ref=p.tx_1h, full=True

CREATE FEATURE VECTOR v AS FEATURES (customers.age, customers.city AS town, tx_1h.*) LABEL labels.is_fraud
-- => CreateFeatureVector ref=p.v, features=(FeatureRef(feature_set=p.customers, feature='age'), FeatureRef(feature_set=p.customers, feature='city', alias='town'), FeatureRef(feature_set=p.tx_1h, feature='*')), label=FeatureRef(feature_set=p.labels, feature='is_fraud')

CREATE FUNCTION train FROM 'train.py' HANDLER train_model RUNTIME local RESOURCES (cpu = 4, memory = '8GB', gpu = 1) REQUIREMENTS ('scikit-learn>=1.5', 'lightgbm')
-- => CreateFunction ref=p.train, source='train.py', handler='train_model', requirements=('scikit-learn>=1.5', 'lightgbm'), resources=Resources(cpu=4, memory=8000000000, gpu=1)

CREATE OR REPLACE FUNCTION fraud.prep FROM 'git+https://host/repo#prep.py' RUNTIME spark IMAGE 'repo/img:1'
-- => CreateFunction ref=fraud.prep, source='git+https://host/repo#prep.py', replace=True, runtime='spark', image='repo/img:1'

RUN train
-- => StartRun function=p.train

RUN train WITH (lr = 0.1, depth = 6, tags = ['a', 'b'], opt = {'beta': 0.9}) AS nightly
-- => StartRun function=p.train, parameters={lr: 0.1, depth: 6, tags: ['a', 'b'], opt: {beta: 0.9}}, name='nightly'

RUN fraud.train FROM v WITH (lr = 0.1) LABELS (team = 'risk') ASYNC
-- => StartRun function=fraud.train, source=RunSource(ref=p.v), parameters={lr: 0.1}, labels={team: 'risk'}, asynchronous=True

RUN train FROM (SELECT * FROM ml.features('v', 'spine') WHERE ts < '2026-01-01') SWEEP (lr IN (0.1, 0.01), depth IN (4, 6, 8)) MAXIMIZE auc LIMIT 12 PARALLEL 4
-- => StartRun function=p.train, source=RunSource(query=<SELECT * FROM ml.features('v', 'spine') WHERE ts < '2026-01-01'>), sweep=Sweep(parameters=(SweepParameter(name='lr', values=(0.1, 0.01)), SweepParameter(name='depth', values=(4, 6, 8))), metric='auc', goal='maximize', limit=12, parallel=4)

CANCEL RUN 'a1b2'
-- => CancelRun project='p', run='a1b2'

LOG METRIC auc = 0.93 STEP 10
-- => LogToRun project='p', run=None, kind='metric', name='auc', value=0.93, step=10

LOG ARTIFACT 'report' FROM 'report.html'
-- => LogToRun project='p', run=None, kind='artifact', name='report', path='report.html'

CREATE MODEL m FROM 'model.onnx'
-- => CreateModel ref=p.m, path='model.onnx'

CREATE OR REPLACE MODEL m FROM RUN 'a1b2' ARTIFACT 'model' FEATURES v METRICS (auc = 0.93) ALIAS challenger
-- => CreateModel ref=p.m, replace=True, run='a1b2', artifact='model', features=p.v, metrics={auc: 0.93}, alias='challenger'

CREATE MODEL churn INPUT (age INT, s1h DOUBLE) OUTPUT (score DOUBLE) FROM 'x.onnx'
-- => CreateModel ref=p.churn, path='x.onnx', inputs=(('age', 'INT'), ('s1h', 'DOUBLE')), outputs=(('score', 'DOUBLE'))

CREATE MODEL lr OPTIONS (model_type = 'logistic_reg', input_label_cols = ['is_fraud']) AS SELECT * FROM train_set
-- => CreateModel ref=p.lr, query=<SELECT * FROM train_set>, options={model_type: 'logistic_reg', input_label_cols: ['is_fraud']}

ALTER MODEL m SET ALIAS champion = 3
-- => SetModelAlias ref=p.m, alias='champion', version='3'

ALTER MODEL m VERSION 3 SET ALIAS = champion
-- => SetModelAlias ref=p.m, alias='champion', version='3'

-- with {"1": 0.5, "nm": "z"}
RUN train WITH (lr = $1, depth = ?, name = $nm)
-- => StartRun function=p.train, parameters={lr: 0.5, depth: 0.5, name: 'z'}

ALTER MODEL m SET ALIAS champion TO VERSION 3
-- => SetModelAlias ref=p.m, alias='champion', version='3'

CREATE ENDPOINT score USING MODEL m@champion ENRICH WITH FEATURE VECTOR v SHADOW m@challenger PATH '/score' LOG 10%
-- => CreateEndpoint ref=p.score, shares=(Share(model=p.m@champion)), enrich=p.v, shadow=p.m@challenger, url_path='/score', log_percent=10.0

CREATE ENDPOINT score USING ENSEMBLE WEIGHTED (m@1 WEIGHT 0.7, n@champion WEIGHT 0.3) WITH (timeout_ms = 50, workers = 4)
-- => CreateEndpoint ref=p.score, using='ensemble', shares=(Share(model=p.m@1, weight=0.7), Share(model=p.n@champion, weight=0.3)), ensemble='weighted', options={timeout_ms: 50, workers: 4}

CREATE ENDPOINT ab TRAFFIC (m@1 90%, m@2 10%)
-- => CreateEndpoint ref=p.ab, using='traffic', shares=(Share(model=p.m@1, weight=90.0), Share(model=p.m@2, weight=10.0))

ALTER ENDPOINT ab SET TRAFFIC (m@1 50%, m@2 50%)
-- => AlterEndpoint ref=p.ab, shares=(Share(model=p.m@1, weight=50.0), Share(model=p.m@2, weight=50.0))

CREATE WORKFLOW nightly AS (STEP prep AS (RUN prep), STEP fit AFTER prep RETRY 2 AS (RUN train FROM v SWEEP (lr IN (0.1, 0.01)) MAXIMIZE auc), STEP check AFTER fit AS (CREATE TABLE audit AS SELECT * FROM ml.metrics), STEP deploy AFTER fit, check WHEN (fit.auc > 0.9) AS (ALTER ENDPOINT score USING MODEL m@challenger))
-- => CreateWorkflow ref=p.nightly, steps=(WorkflowStep(name='prep', body=<RUN prep>), WorkflowStep(name='fit', body=<RUN train FROM v SWEEP (lr IN (0.1, 0.01)) MAXIMIZE auc>, after=('prep'), retries=2), WorkflowStep(name='check', body=<CREATE TABLE audit AS SELECT * FROM ml.metrics>, after=('fit')), WorkflowStep(name='deploy', body=<ALTER ENDPOINT score USING MODEL m@challenger>, after=('fit', 'check'), when=<fit.auc > 0.9>))

RUN WORKFLOW nightly WITH (date = '2026-01-01')
-- => RunWorkflow ref=p.nightly, parameters={date: '2026-01-01'}

CREATE SCHEDULE hourly CRON '0 * * * *' AS REFRESH FEATURE SET tx_1h
-- => CreateSchedule ref=p.hourly, body=<REFRESH FEATURE SET tx_1h>, cron='0 * * * *'

CREATE SCHEDULE s EVERY INTERVAL '15 minutes' DO INSERT INTO audit SELECT now(), count(*) FROM tx
-- => CreateSchedule ref=p.s, body=<INSERT INTO audit SELECT now(), count(*) FROM tx>, every=0:15:00

CREATE SCHEDULE n CRON '@daily' TIMEZONE 'Europe/Berlin' AS RUN WORKFLOW nightly
-- => CreateSchedule ref=p.n, body=<RUN WORKFLOW nightly>, cron='@daily', timezone='Europe/Berlin'

CREATE MONITOR drift ON ENDPOINT score BASELINE RUN 'a1b2' METRICS (psi, ks, kl) WINDOW 1 DAY EVERY 1 HOUR SEGMENT BY (country)
-- => CreateMonitor ref=p.drift, target_kind='endpoint', target=p.score, baseline_run='a1b2', metrics=(MetricSpec(name='psi'), MetricSpec(name='ks'), MetricSpec(name='kl')), every=1:00:00, segment_by=('country')

CREATE MONITOR acc ON MODEL m@champion BASELINE (SELECT * FROM train_set) METRICS (auc, psi (bins = 20)) LABELS FROM labels EVERY 1 DAY
-- => CreateMonitor ref=p.acc, target_kind='model', target=p.m@champion, baseline=<SELECT * FROM train_set>, metrics=(MetricSpec(name='auc'), MetricSpec(name='psi', options={bins: 20})), every=1 day, 0:00:00, labels=<FROM labels>

CREATE ALERT drifted ON MONITOR drift WHEN psi > 0.2 AND n >= 1000 FOR INTERVAL '3 hours' SEVERITY high THEN NOTIFY 'https://hook' THEN RUN WORKFLOW nightly
-- => CreateAlert ref=p.drifted, when=<psi > 0.2 AND n >= 1000>, actions=(Action(notify=('https://hook')), Action(statement=<RUN WORKFLOW nightly>)), on_kind='monitor', on=p.drift, for_=3:00:00, severity='high'

CREATE ALERT late WHEN EXISTS (SELECT 1 FROM ml.feature_sets WHERE now() - last_refresh > INTERVAL 2 HOUR) EVERY 5 MINUTES THEN NOTIFY 'slack://ops', 'mailto:a@b.c'
-- => CreateAlert ref=p.late, when=<EXISTS (SELECT 1 FROM ml.feature_sets WHERE now() - last_refresh > INTERVAL 2 HOUR)>, actions=(Action(notify=('slack://ops', 'mailto:a@b.c'))), every=0:05:00

SHOW RUNS
-- => Show noun='runs'

SHOW DEPLOYMENTS WHERE state = 'failed'
-- => Show noun='deployments', where=<state = 'failed'>

SHOW RUNS LIKE 'train%' IN PROJECT fraud LIMIT 10
-- => Show noun='runs', like='train%', project='fraud', limit=10

SHOW RUNS WHERE state = 'error' LIMIT 5
-- => Show noun='runs', where=<state = 'error'>, limit=5

SHOW FEATURE SETS
-- => Show noun='feature_sets'

SHOW MODELS
-- => Show noun='models'

SHOW METRICS OF 'a1b2'
-- => Show noun='metrics', of='a1b2'

SHOW LINEAGE OF MODEL m@3
-- => ShowLineage kind='model', ref=p.m@3

DESCRIBE MODEL m
-- => Describe kind='model', ref=p.m

DESCRIBE FEATURE SET fraud.customers
-- => Describe kind='feature set', ref=fraud.customers

DESC RUN 'a1b2'
-- => Describe kind='run', ref=p.a1b2

DROP MODEL IF EXISTS m@2
-- => DropModel ref=p.m@2, if_exists=True

DROP FEATURE SET customers CASCADE
-- => DropFeatureSet ref=p.customers, cascade=True

DROP PROJECT fraud CASCADE
-- => DropProject name='fraud', cascade=True

EXPLAIN CREATE FEATURE SET a (ENTITY x) AS SELECT 1 AS x
-- => Explain command=CreateFeatureSet(ref=p.a, columns=(Column(name='x', role='entity')), query=<SELECT 1 AS x>)

EXPLAIN RUN train WITH (lr = 1)
-- => Explain command=StartRun(function=p.train, parameters={lr: 1})

ALTER SCHEDULE hourly SUSPEND
-- => AlterObject kind='schedule', ref=p.hourly, action='suspend'

CREATE FEATURE SET "Odd Name" (ENTITY "id;x") AS SELECT 'it''s; fine' AS "id;x" -- c;omment
-- => CreateFeatureSet ref=p.Odd Name, columns=(Column(name='id;x', role='entity')), query=<SELECT 'it''s; fine' AS "id;x">

create or replace project Fraud from 'git+https://host/repo#main' with (owner = ana) comment 'it''s'
-- => CreateProject name='fraud', replace=True, source='git+https://host/repo#main', options={owner: 'ana'}, comment="it's"

USE fraud
-- => UseProject name='fraud'

USE PROJECT default
-- => UseProject name='default'

ALTER PROJECT fraud SET (owner = 'ben')
-- => AlterObject kind='project', ref=fraud.fraud, action='set', options={owner: 'ben'}

DROP PROJECT IF EXISTS fraud
-- => DropProject name='fraud', if_exists=True

drop project fraud cascade purge
-- => DropProject name='fraud', cascade=True, purge=True

EXPLAIN RESTORE PROJECT fraud
-- => Explain command=RestoreObject(kind='project', ref=fraud.fraud)

CREATE SOURCE app TYPE http
-- => CreateSource ref=p.app, type='http'

CREATE SOURCE s FROM 's3://bucket/*.parquet'
-- => CreateSource ref=p.s, uri='s3://bucket/*.parquet'

CREATE OR REPLACE SOURCE s TYPE postgres FROM 'postgres://h/db' COMMENT 'orders'
-- => CreateSource ref=p.s, type='postgres', uri='postgres://h/db', replace=True, comment='orders'

CREATE SOURCE IF NOT EXISTS big AS SELECT * FROM tx WHERE amount > 1000
-- => CreateSource ref=p.big, query=<SELECT * FROM tx WHERE amount > 1000>, if_not_exists=True

DROP SOURCE IF EXISTS s CASCADE
-- => DropSource ref=p.s, if_exists=True, cascade=True

ALTER SOURCE s SUSPEND
-- => AlterSource ref=p.s, action='suspend'

CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts) REFRESH CRON '@daily' ON ERROR QUARANTINE WITH (timezone = 'Europe/Berlin') FROM s
-- => CreateFeatureSet ref=p.f, columns=(Column(name='k', role='entity'), Column(name='ts', role='timestamp')), refresh=Refresh(mode='cron', cron='@daily'), on_error='quarantine', options={timezone: 'Europe/Berlin'}, source=p.s

ALTER SOURCE s RENAME TO t
-- => AlterSource ref=p.s, action='rename', new_name='t'

ALTER SOURCE s SET (password = SECRET other, "user" = 'ana', owner = NULL)
-- => AlterSource ref=p.s, action='set', options={password: SecretName(name='other'), user: 'ana', owner: None}

CREATE SOURCE s FROM 'postgres://ana@h/db' WITH (password = SECRET pw, table = orders)
-- => CreateSource ref=p.s, uri='postgres://ana@h/db', options={password: SecretName(name='pw'), table: 'orders'}

CREATE FEATURE SET IF NOT EXISTS f (ENTITY a, ENTITY b VARCHAR, TIMESTAMP ts TIMESTAMP WITH TIME ZONE, x DECIMAL(18, 3) DEFAULT 0 COMMENT 'money', y STRUCT(a INT, b VARCHAR[]) NOT NULL, z DOUBLE PRECISION CHECK (z BETWEEN 0 AND 1))
-- => CreateFeatureSet ref=p.f, columns=(Column(name='a', role='entity'), Column(name='b', role='entity', type='VARCHAR'), Column(name='ts', role='timestamp', type='TIMESTAMP WITH TIME ZONE'), Column(name='x', type='DECIMAL(18, 3)', default=0, has_default=True, comment='money'), Column(name='y', type='STRUCT(a INT, b VARCHAR[])', not_null=True), Column(name='z', type='DOUBLE PRECISION', check=<z BETWEEN 0 AND 1>)), if_not_exists=True

CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts, amount DOUBLE) STORE ONLINE AND OFFLINE AGGREGATE (sum(amount) OVER (1 HOUR, INTERVAL '24 hours') EVERY 5 MINUTES AS total, count(*) OVER (7 DAYS)) FROM kafka_tx TRANSFORM clean@2
-- => CreateFeatureSet ref=p.f, columns=(Column(name='k', role='entity'), Column(name='ts', role='timestamp'), Column(name='amount', type='DOUBLE')), store='both', aggregates=(Aggregate(function='sum', column='amount', windows=(1:00:00, 1 day, 0:00:00), every=0:05:00, name='total'), Aggregate(function='count', column='*', windows=(7 days, 0:00:00))), source=p.kafka_tx, transform=p.clean@2

CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts) AGGREGATE (quantile(x, 0.95) OVER (1 HOUR) EVERY 5 MINUTES, count(*) OVER (CALENDAR DAY, CALENDAR WEEK TIMEZONE 'Europe/Berlin') AS n) AS SELECT k, ts, x FROM t
-- => CreateFeatureSet ref=p.f, columns=(Column(name='k', role='entity'), Column(name='ts', role='timestamp')), aggregates=(Aggregate(function='quantile', column='x', windows=(1:00:00), every=0:05:00, argument=0.95), Aggregate(function='count', column='*', windows=(Calendar(unit='day'), Calendar(unit='week', zone='Europe/Berlin')), name='n')), query=<SELECT k, ts, x FROM t>

CREATE FEATURE SET f (ENTITY k) REFRESH CRON '*/15 * * * mon-fri' ENGINE spark PARTITION BY (day, hour) WITH (location = 's3://b/x', defer = true) COMMENT 'c' AS WITH t AS (SELECT 1 AS k) SELECT * FROM t
-- => CreateFeatureSet ref=p.f, columns=(Column(name='k', role='entity')), refresh=Refresh(mode='cron', cron='*/15 * * * mon-fri'), engine='spark', partition_by=('day', 'hour'), options={location: 's3://b/x', defer: True}, query=<WITH t AS (SELECT 1 AS k) SELECT * FROM t>, comment='c'

CREATE FEATURE SET f (ENTITY k) REFRESH CONTINUOUS STORE ONLINE
-- => CreateFeatureSet ref=p.f, columns=(Column(name='k', role='entity')), store='online', refresh=Refresh(mode='continuous')

CREATE FEATURE SET f (ENTITY k) TTL 36h REFRESH MANUAL AS FROM t
-- => CreateFeatureSet ref=p.f, columns=(Column(name='k', role='entity')), ttl=1 day, 12:00:00, refresh=Refresh(mode='manual'), query=<FROM t>

REFRESH FEATURE SET fraud.f ONLINE TO '2026-02-01T00:00:00+01:00'
-- => RefreshFeatureSet ref=fraud.f, end=2026-01-31 23:00:00+00:00, online=True

REFRESH FEATURE VECTOR v FROM DATE '2026-01-01'
-- => RefreshFeatureVector ref=p.v, start=2026-01-01 00:00:00+00:00

REFRESH MONITOR drift FULL
-- => RefreshMonitor ref=p.drift, full=True

REFRESH MODEL lr
-- => RefreshModel ref=p.lr

ALTER FEATURE SET f ADD COLUMN x DOUBLE NOT NULL DEFAULT 0
-- => AlterFeatureSet ref=p.f, action='add', column=Column(name='x', type='DOUBLE', not_null=True, default=0, has_default=True)

ALTER FEATURE SET f ALTER COLUMN x TYPE BIGINT NEW VERSION
-- => AlterFeatureSet ref=p.f, action='type', name='x', type='BIGINT', new_version=True

ALTER FEATURE SET f RENAME COLUMN x TO y NEW VERSION
-- => AlterFeatureSet ref=p.f, action='rename', name='x', new_name='y', new_version=True

ALTER FEATURE SET f DROP COLUMN x
-- => AlterFeatureSet ref=p.f, action='drop', name='x'

ALTER FEATURE SET f SET (tags = ['a', 'b'])
-- => AlterFeatureSet ref=p.f, action='set', options={tags: ['a', 'b']}

ALTER FEATURE SET f SUSPEND
-- => AlterFeatureSet ref=p.f, action='suspend'

ALTER FEATURE SET f RENAME TO g
-- => AlterObject kind='feature set', ref=p.f, action='rename', new_name='g'

ALTER FEATURE VECTOR v SET (owner = 'ana')
-- => AlterObject kind='feature vector', ref=p.v, action='set', options={owner: 'ana'}

DROP FEATURE VECTOR IF EXISTS v
-- => DropFeatureVector ref=p.v, if_exists=True

CREATE FEATURE VECTOR v LABEL fraud.labels.is_fraud AS FEATURES (fraud.customers.age AS a, "Odd Set"."b c") COMMENT 'v'
-- => CreateFeatureVector ref=p.v, features=(FeatureRef(feature_set=fraud.customers, feature='age', alias='a'), FeatureRef(feature_set=p.Odd Set, feature='b c')), label=FeatureRef(feature_set=fraud.labels, feature='is_fraud'), comment='v'

CREATE FUNCTION IF NOT EXISTS f FROM 'hub://describe' ENV (A = 'x', B = 1, C = true) SECRETS (api_key, 'other') RETRY 3 BACKOFF 10 SECONDS TIMEOUT 2 HOURS COMMENT 'f'
-- => CreateFunction ref=p.f, source='hub://describe', if_not_exists=True, environment={A: 'x', B: '1', C: 'true'}, secrets=('api_key', 'other'), retries=3, backoff=0:00:10, timeout=2:00:00, comment='f'

CREATE FUNCTION f FROM 'f.py' RESOURCES (memory = '512MiB', cpu = 0.5)
-- => CreateFunction ref=p.f, source='f.py', resources=Resources(cpu=0.5, memory=536870912)

CREATE FUNCTION f FROM 'f.py' RESOURCES (memory = 1048576)
-- => CreateFunction ref=p.f, source='f.py', resources=Resources(memory=1048576)

ALTER FUNCTION f RENAME TO g
-- => AlterObject kind='function', ref=p.f, action='rename', new_name='g'

DROP FUNCTION IF EXISTS fraud.f CASCADE
-- => DropFunction ref=fraud.f, if_exists=True, cascade=True

DROP FUNCTION f
-- => DropFunction ref=p.f

RUN train@3 HANDLER fit WITH (x = -1.5e3, on_gpu = TRUE, nothing = NULL, when_ = DATE '2026-01-01', wait = 5 MINUTES, nested = {'a': [1, {'b': 2}]}) ON docker RETRY 2 TIMEOUT '90m'
-- => StartRun function=p.train@3, handler='fit', parameters={x: -1500.0, on_gpu: True, nothing: None, when_: 2026-01-01 00:00:00+00:00, wait: 0:05:00, nested: {a: [1, {'b': 2}]}}, runtime='docker', retries=2, timeout=1:30:00

RUN train FROM fraud.tx INPUTS (test = test_set, file = 'data/x.csv', q = (SELECT * FROM t WHERE a = ';'), m = model@3)
-- => StartRun function=p.train, source=RunSource(ref=fraud.tx), inputs={test: RunSource(ref=p.test_set), file: 'data/x.csv', q: RunSource(query=<SELECT * FROM t WHERE a = ';'>), m: RunSource(ref=p.model@3)}

RUN train SWEEP (lr BETWEEN 0.001 AND 0.1 LOG, depth BETWEEN 2 AND 8, kind IN ('a', 'b')) USING tpe MINIMIZE valid.loss LIMIT 50 PARALLEL 4 STOP WHEN (loss < 0.1 AND step > 10)
-- => StartRun function=p.train, sweep=Sweep(parameters=(SweepParameter(name='lr', low=0.001, high=0.1, log=True), SweepParameter(name='depth', low=2, high=8), SweepParameter(name='kind', values=('a', 'b'))), metric='valid.loss', goal='minimize', strategy='tpe', limit=50, parallel=4, stop_when=<loss < 0.1 AND step > 10>)

RUN train SWEEP (lr IN [0.1, 0.2]) MAXIMIZE auc
-- => StartRun function=p.train, sweep=Sweep(parameters=(SweepParameter(name='lr', values=(0.1, 0.2))), metric='auc', goal='maximize')

RUN train SWEEP (lr BETWEEN 1 AND 2) MAXIMIZE auc LIMIT 3
-- => StartRun function=p.train, sweep=Sweep(parameters=(SweepParameter(name='lr', low=1, high=2)), metric='auc', goal='maximize', strategy='random', limit=3)

RUN "My Func" AS "a run"
-- => StartRun function=p.My Func, name='a run'

RUN WORKFLOW fraud.nightly ASYNC
-- => RunWorkflow ref=fraud.nightly, asynchronous=True

RUN workflow WITH (a = 1)
-- => StartRun function=p.workflow, parameters={a: 1}

CANCEL RUN nightly
-- => CancelRun project='p', run='nightly'

RERUN 'a1b2' FROM STEP check
-- => Rerun project='p', run='a1b2', from_step='check'

LOG PARAM lr = 0.1 RUN 'a1b2'
-- => LogToRun project='p', run='a1b2', kind='param', name='lr', value=0.1

LOG METRIC valid.auc = 1 RUN nightly STEP 3
-- => LogToRun project='p', run='nightly', kind='metric', name='valid.auc', value=1, step=3

LOG ARTIFACT report FROM 'report.html' RUN 'a1b2'
-- => LogToRun project='p', run='a1b2', kind='artifact', name='report', path='report.html'

DROP RUN IF EXISTS 'a1b2'
-- => DropRun project='p', run='a1b2', if_exists=True

CREATE MODEL IF NOT EXISTS fraud.m FROM MODEL other@champion ALIAS champion COMMENT 'copy'
-- => CreateModel ref=fraud.m, if_not_exists=True, model=p.other@champion, alias='champion', comment='copy'

CREATE MODEL m FROM RUN nightly OUTPUT (p DOUBLE, c DECIMAL(3,1))
-- => CreateModel ref=p.m, run='nightly', outputs=(('p', 'DOUBLE'), ('c', 'DECIMAL(3,1)'))

ALTER MODEL m DROP ALIAS champion
-- => DropModelAlias ref=p.m, alias='champion'

ALTER MODEL m SET ALIAS champion = challenger
-- => SetModelAlias ref=p.m, alias='champion', version='challenger'

ALTER MODEL m RENAME TO n
-- => AlterObject kind='model', ref=p.m, action='rename', new_name='n'

ALTER MODEL m SET (owner = 'ana')
-- => AlterObject kind='model', ref=p.m, action='set', options={owner: 'ana'}

DROP MODEL m@champion
-- => DropModel ref=p.m@champion

CREATE ENDPOINT IF NOT EXISTS e USING MODEL m PREPROCESS (lower(name)) POSTPROCESS (score * 100) LOG NONE COMMENT 'e'
-- => CreateEndpoint ref=p.e, shares=(Share(model=p.m)), preprocess=<lower(name)>, postprocess=<score * 100>, log_percent=0.0, if_not_exists=True, comment='e'

CREATE ENDPOINT e ENRICH WITH v IMPUTE (age = 40, city = 'x') USING MODEL m@3 LOG ALL
-- => CreateEndpoint ref=p.e, shares=(Share(model=p.m@3)), enrich=p.v, impute={age: 40, city: 'x'}

CREATE ENDPOINT e USING ENSEMBLE MEAN (m@1, n) PATH '/x'
-- => CreateEndpoint ref=p.e, using='ensemble', shares=(Share(model=p.m@1), Share(model=p.n)), ensemble='mean', url_path='/x'

CREATE ENDPOINT e USING ENSEMBLE STACK (m@1, n@champion) BY last@2 WITH (on_member_error = skip)
-- => CreateEndpoint ref=p.e, using='ensemble', shares=(Share(model=p.m@1), Share(model=p.n@champion)), ensemble='stack', meta=p.last@2, options={on_member_error: 'skip'}

CREATE ENDPOINT e USING FUNCTION scorer@2 WITH (processes = 2, parameters = {'limit': 3})
-- => CreateEndpoint ref=p.e, using='function', function=p.scorer@2, options={processes: 2, parameters: {limit: 3}}

CREATE ENDPOINT e USING MODEL m PREPROCESS (a / 100 AS b, lower(c) AS d) POSTPROCESS (prediction > 0.5 AS yes)
-- => CreateEndpoint ref=p.e, shares=(Share(model=p.m)), preprocess=<a / 100 AS b, lower(c) AS d>, postprocess=<prediction > 0.5 AS yes>

CREATE ENDPOINT e USING FUNCTION scorer@2
-- => CreateEndpoint ref=p.e, using='function', function=p.scorer@2

CREATE ENDPOINT e USING GRAPH 'graph.yaml' LOG 0.5%
-- => CreateEndpoint ref=p.e, using='graph', graph='graph.yaml', log_percent=0.5

ALTER ENDPOINT e USING FUNCTION f@2
-- => AlterEndpoint ref=p.e, function=p.f@2

ALTER ENDPOINT e USING MODEL m@4
-- => AlterEndpoint ref=p.e, shares=(Share(model=p.m@4))

ALTER ENDPOINT e RESUME
-- => AlterEndpoint ref=p.e, state='resume'

ALTER ENDPOINT e RENAME TO rank
-- => AlterObject kind='endpoint', ref=p.e, action='rename', new_name='rank'

DROP ENDPOINT e
-- => DropEndpoint ref=p.e

CREATE OR REPLACE WORKFLOW w WITH (owner = 'ana') COMMENT 'x' AS (STEP a AS (RUN f WITH (d = $date);), STEP b AFTER a FOR EACH c IN ('x', 'y') TIMEOUT 1 HOUR AS (INSERT INTO t SELECT $c), FINALLY AS (SELECT ';'))
-- => CreateWorkflow ref=p.w, steps=(WorkflowStep(name='a', body=<RUN f WITH (d = $date)>), WorkflowStep(name='b', body=<INSERT INTO t SELECT $c>, after=('a'), for_each=('c', <'x', 'y'>), timeout=1:00:00)), finally_=<SELECT ';'>, replace=True, options={owner: 'ana'}, comment='x'

CREATE WORKFLOW w AS (STEP b AFTER A AS (RUN f), STEP a AS (MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE) FINALLY AS (RUN g))
-- => CreateWorkflow ref=p.w, steps=(WorkflowStep(name='b', body=<RUN f>, after=('a')), WorkflowStep(name='a', body=<MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE>)), finally_=<RUN g>

ALTER WORKFLOW w RENAME TO w2
-- => AlterObject kind='workflow', ref=p.w, action='rename', new_name='w2'

DROP WORKFLOW w
-- => DropWorkflow ref=p.w

CREATE SCHEDULE IF NOT EXISTS s EVERY 1 DAY TIMEZONE 'America/New_York' COMMENT 'x' DO (RUN f)
-- => CreateSchedule ref=p.s, body=<RUN f>, every=1 day, 0:00:00, timezone='America/New_York', if_not_exists=True, comment='x'

CREATE OR REPLACE SCHEDULE s CRON '0 6 * * mon' AS CREATE OR REPLACE TABLE t AS SELECT 1
-- => CreateSchedule ref=p.s, body=<CREATE OR REPLACE TABLE t AS SELECT 1>, cron='0 6 * * mon', replace=True

ALTER SCHEDULE s RENAME TO s2
-- => AlterObject kind='schedule', ref=p.s, action='rename', new_name='s2'

DROP SCHEDULE IF EXISTS s
-- => DropSchedule ref=p.s, if_exists=True

CREATE OR REPLACE MONITOR m ON FEATURE SET f BASELINE base_table METRICS (psi) COMMENT 'm'
-- => CreateMonitor ref=p.m, target_kind='feature set', target=p.f, baseline=<FROM base_table>, metrics=(MetricSpec(name='psi')), replace=True, comment='m'

CREATE MONITOR m ON TABLE t BASELINE run METRICS (ks)
-- => CreateMonitor ref=p.m, target_kind='table', target=p.t, baseline=<FROM run>, metrics=(MetricSpec(name='ks'))

CREATE MONITOR m ON ENDPOINT e LABELS FROM (SELECT request_id AS id, y AS label FROM t) WINDOW 7 DAYS
-- => CreateMonitor ref=p.m, target_kind='endpoint', target=p.e, window=7 days, 0:00:00, labels=<SELECT request_id AS id, y AS label FROM t>

CREATE MONITOR m ON ENDPOINT e BASELINE RUN nightly
-- => CreateMonitor ref=p.m, target_kind='endpoint', target=p.e, baseline_run='nightly'

DROP MONITOR m
-- => DropMonitor ref=p.m

ALTER MONITOR m RESUME
-- => AlterObject kind='monitor', ref=p.m, action='resume'

CREATE ALERT a ON RUN 'a1b2' WHEN CASE WHEN auc < 0.5 THEN true ELSE false END COOLDOWN 1 DAY THEN NOTIFY 'https://x'
-- => CreateAlert ref=p.a, when=<CASE WHEN auc < 0.5 THEN true ELSE false END>, actions=(Action(notify=('https://x'))), on_kind='run', on=p.a1b2, cooldown=1 day, 0:00:00

CREATE ALERT a ON FEATURE SET f SEVERITY critical WHEN nulls > 0.1 THEN MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE
-- => CreateAlert ref=p.a, when=<nulls > 0.1>, actions=(Action(statement=<MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE>)), on_kind='feature set', on=p.f, severity='critical'

CREATE ALERT a ON ENDPOINT e WHEN p99_ms > 100 THEN (MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE) THEN ALTER ENDPOINT e USING MODEL m@1 THEN NOTIFY 'slack://x'
-- => CreateAlert ref=p.a, when=<p99_ms > 100>, actions=(Action(statement=<MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE>), Action(statement=<ALTER ENDPOINT e USING MODEL m@1>), Action(notify=('slack://x'))), on_kind='endpoint', on=p.e

DROP ALERT a
-- => DropAlert ref=p.a

ALTER ALERT a SUSPEND
-- => AlterObject kind='alert', ref=p.a, action='suspend'

GRANT editor ON PROJECT fraud TO 'ana'
-- => GrantRole granted='editor', project='fraud', user='ana'

REVOKE admin ON PROJECT default FROM 'ana'
-- => RevokeRole revoked='admin', project='default', user='ana'

CREATE TOKEN FOR 'ana' WITH (expires = INTERVAL '30 days') COMMENT 'ci'
-- => CreateToken user='ana', options={expires: 30 days, 0:00:00}, comment='ci'

DROP TOKEN IF EXISTS 'a1b2'
-- => DropToken token='a1b2', if_exists=True

SET SECRET api_key = 's3cr3t' IN PROJECT fraud
-- => SetSecret project='fraud', name='api_key', value='s3cr3t'

DROP SECRET api_key
-- => DropSecret project='p', name='api_key'

INSTALL FUNCTION describe
-- => InstallFunction ref=p.describe

INSTALL FUNCTION auto_trainer@1 FROM 'git+https://h/hub'
-- => InstallFunction ref=p.auto_trainer@1, hub='git+https://h/hub'

PUBLISH FUNCTION fraud.train TO '/srv/hub'
-- => PublishFunction ref=fraud.train, hub='/srv/hub'

SHOW FEATURE_SETS
-- => Show noun='feature_sets'

SHOW MODEL VERSIONS WHERE name = 'm' AND version > 1
-- => Show noun='model_versions', where=<name = 'm' AND version > 1>

SHOW DRIFT OF drift WHERE metric LIKE 'p%' IN PROJECT fraud LIMIT 3
-- => Show noun='drift', of='drift', project='fraud', where=<metric LIKE 'p%'>, limit=3

SHOW LINEAGE
-- => Show noun='lineage'

SHOW LINEAGE OF RUN 'a1b2'
-- => ShowLineage kind='run', ref=p.a1b2

SHOW HUB LIKE '%auto%'
-- => Show noun='hub', like='%auto%'

SHOW PROJECTS
-- => Show noun='projects'

DESCRIBE PROJECT fraud
-- => Describe kind='project', ref=fraud.fraud

DESC ENDPOINT fraud.score
-- => Describe kind='endpoint', ref=fraud.score

DESCRIBE ARTIFACT 'model'
-- => Describe kind='artifact', ref=p.model

EXPLAIN ANALYZE RUN train
-- => Explain command=StartRun(function=p.train), analyze=True

EXPLAIN SHOW RUNS
-- => Explain command=Show(noun='runs')

RUN /* how */ train -- fast
WITH (a = $$it's ; here$$, b = E'tab\there')
-- => StartRun function=p.train, parameters={a: "it's ; here", b: 'tab\there'}

-- a header comment; with a semicolon
CREATE FEATURE SET f ( -- the columns
    ENTITY id BIGINT,  /* two
    lines; */
    TIMESTAMP ts
)
TTL INTERVAL '2' DAYS
AS
SELECT id, ts, 'a;b' AS "x;y" -- tail
FROM t
-- => CreateFeatureSet ref=p.f, columns=(Column(name='id', role='entity', type='BIGINT'), Column(name='ts', role='timestamp')), ttl=2 days, 0:00:00, query=<SELECT id, ts, 'a;b' AS "x;y" -- tail FROM t>

-- with {"since": "it's", "rate": 0.1, "1": 3, "2": [1, "a"]}
RUN train FROM (SELECT * FROM t WHERE d > $since AND n < ?) WITH (rate = $rate, extra = ?)
-- => StartRun function=p.train, source=RunSource(query=<SELECT * FROM t WHERE d > 'it''s' AND n < 3>), parameters={rate: 0.1, extra: [1, 'a']}

-- with {"low": -1, "1": null, "2": true, "3": 1.5}
CREATE FEATURE SET f (ENTITY id, x CHECK (x > $low)) AS SELECT ?, ?, $low, {'a': ?}
-- => CreateFeatureSet ref=p.f, columns=(Column(name='id', role='entity'), Column(name='x', check=<x > (-1)>)), query=<SELECT NULL, TRUE, (-1), {'a': 1.5e0}>

-- with {"fit": "0198abcd", "a": "model", "auc": 0.9}
CREATE MODEL m FROM RUN $fit ARTIFACT $a METRICS (auc = $auc) ALIAS best
-- => CreateModel ref=p.m, run='0198abcd', artifact='model', metrics={auc: 0.9}, alias='best'

-- with ["0198abcd"]
CANCEL RUN $1
-- => CancelRun project='p', run='0198abcd'

-- with ["nightly"]
RERUN ?
-- => Rerun project='p', run='nightly'

-- with {"v": 3}
ALTER MODEL m SET ALIAS champion = $v
-- => SetModelAlias ref=p.m, alias='champion', version='3'

-- with {"t": "90 minutes", "n": 2, "a": {"x": [1]}}
RUN train TIMEOUT $t RETRY $n LABELS (a = $a)
-- => StartRun function=p.train, labels={a: {x: [1]}}, retries=2, timeout=1:30:00

-- with {"values": [0.1, 0.2], "low": 2}
RUN train SWEEP (lr IN $values, depth BETWEEN $low AND 8) MAXIMIZE auc
-- => StartRun function=p.train, sweep=Sweep(parameters=(SweepParameter(name='lr', values=(0.1, 0.2)), SweepParameter(name='depth', low=2, high=8)), metric='auc', goal='maximize', strategy='random')

-- with {"from": "2026-01-01", "to": "2026-01-02T12:00:00"}
REFRESH FEATURE SET f FROM $from TO $to
-- => RefreshFeatureSet ref=p.f, start=2026-01-01 00:00:00+00:00, end=2026-01-02 12:00:00+00:00

CREATE PROFILE lake TYPE s3 WITH (key = 'AK', secret = SECRET lake_secret, endpoint_url = 'http://127.0.0.1:9000') COMMENT 'c'
-- => CreateProfile ref=p.lake, type='s3', options={key: 'AK', secret: SecretName(name='lake_secret'), endpoint_url: 'http://127.0.0.1:9000'}, comment='c'

-- with ["s3cr3t"]
CREATE OR REPLACE PROFILE fraud.archive TYPE AZURE WITH (Account_Name = 'corp', account_key = $1)
-- => CreateProfile ref=fraud.archive, type='azure', options={account_name: 'corp', account_key: 's3cr3t'}, replace=True

DROP PROFILE IF EXISTS lake
-- => DropProfile ref=p.lake, if_exists=True

CREATE SOURCE lake FROM 's3://bucket/tx/' WITH (profile = lake)
-- => CreateSource ref=p.lake, uri='s3://bucket/tx/', options={profile: 'lake'}

-- with ["s3cr3t"]
SET SECRET key = $1
-- => SetSecret project='p', name='key', value='s3cr3t'

-- with {"a": 70, "b": 30}
CREATE ENDPOINT e TRAFFIC (m@1 $a%, m@2 $b%)
-- => CreateEndpoint ref=p.e, using='traffic', shares=(Share(model=p.m@1, weight=70.0), Share(model=p.m@2, weight=30.0))

-- with {"since": "2026-01-01", "n": 3}
SHOW RUNS WHERE created_at > $since LIMIT $n
-- => Show noun='runs', where=<created_at > '2026-01-01'>, limit=3

-- with {"auc": 0.5, "step": 3}
LOG METRIC auc = $auc STEP $step
-- => LogToRun project='p', run=None, kind='metric', name='auc', value=0.5, step=3

-- with {"cron": "@hourly"}
CREATE SCHEDULE s CRON $cron AS RUN train WITH (x = $later)
-- => CreateSchedule ref=p.s, body=<RUN train WITH (x = $later)>, cron='@hourly'

CREATE WORKFLOW w AS (STEP a RETRY 1 WHEN ($go) AS (RUN f FROM (SELECT $x) WITH (n = $n) RETRY $r TIMEOUT $t), STEP b AFTER a FOR EACH x IN (SELECT $y) AS (SELECT ?, $z))
-- => CreateWorkflow ref=p.w, steps=(WorkflowStep(name='a', body=<RUN f FROM (SELECT $x) WITH (n = $n) RETRY $r TIMEOUT $t>, when=<$go>, retries=1), WorkflowStep(name='b', body=<SELECT ?, $z>, after=('a'), for_each=('x', <SELECT $y>)))

-- with {"limit": 0.25}
CREATE ALERT a ON MONITOR m WHEN psi > $limit THEN CANCEL RUN $run THEN ALTER ENDPOINT e SET TRAFFIC (m@1 $a%, m@2 $b%)
-- => CreateAlert ref=p.a, when=<psi > 0.25e0>, actions=(Action(statement=<CANCEL RUN $run>), Action(statement=<ALTER ENDPOINT e SET TRAFFIC (m@1 $a%, m@2 $b%)>)), on_kind='monitor', on=p.m

CREATE FEATURE SET größe (ENTITY "ключ", TIMESTAMP ts) COMMENT 'naïve 🙂; café' AS SELECT '日本' AS "ключ", ts FROM t
-- => CreateFeatureSet ref=p.größe, columns=(Column(name='ключ', role='entity'), Column(name='ts', role='timestamp')), query=<SELECT '日本' AS "ключ", ts FROM t>, comment='naïve 🙂; café'

CREATE PROJECT fraud
-- => CreateProject name='fraud'

RUN train WITH (a = 1_000, b = .5, c = 1e-3, d = -2, e = +3, f = [], g = {}, h = [[1], [2]], i = a.b)
-- => StartRun function=p.train, parameters={a: 1000, b: 0.5, c: 0.001, d: -2, e: 3, f: [], g: {}, h: [[1], [2]], i: 'a.b'}

CREATE FUNCTION show FROM 'x.py'
-- => CreateFunction ref=p.show, source='x.py'

CREATE WORKFLOW w AS (STEP s AS (CREATE WORKFLOW inner_ AS (STEP t AS (RUN f))))
-- => CreateWorkflow ref=p.w, steps=(WorkflowStep(name='s', body=<CREATE WORKFLOW inner_ AS (STEP t AS (RUN f))>))

EXPLAIN CREATE SCHEDULE s EVERY 1 WEEK AS EXPLAIN ANALYZE RUN f
-- => Explain command=CreateSchedule(ref=p.s, body=<EXPLAIN ANALYZE RUN f>, every=7 days, 0:00:00)

CREATE ALERT a WHEN (SELECT count(*) FROM t WHERE CASE WHEN x THEN y END) > 5 EVERY 1 HOUR THEN INSERT INTO log SELECT CASE WHEN a THEN b END THEN RUN f
-- => CreateAlert ref=p.a, when=<(SELECT count(*) FROM t WHERE CASE WHEN x THEN y END) > 5>, actions=(Action(statement=<INSERT INTO log SELECT CASE WHEN a THEN b END>), Action(statement=<RUN f>)), every=1:00:00

-- with {"run": "0198abcd"}
CREATE MONITOR m ON ENDPOINT e BASELINE RUN $run LABELS FROM fraud.labels
-- => CreateMonitor ref=p.m, target_kind='endpoint', target=p.e, baseline_run='0198abcd', labels=<FROM fraud.labels>

RUN train SWEEP (lr BETWEEN 0.001 AND 0.1 LOG) USING tpe MINIMIZE loss LIMIT 40 PARALLEL 4 PRUNE HALVING MAX ERRORS 3 STOP WHEN (since_best > 10)
-- => StartRun function=p.train, sweep=Sweep(parameters=(SweepParameter(name='lr', low=0.001, high=0.1, log=True)), metric='loss', goal='minimize', strategy='tpe', limit=40, parallel=4, stop_when=<since_best > 10>, prune='halving', max_errors=3)

COLLECT GARBAGE
-- => CollectGarbage

RUN look INPUTS (board = ARTIFACT 'plots/b'@stable, other = ARTIFACT report OF RUN 'a1b2', t = artifact, u = artifact@2)
-- => StartRun function=p.look, inputs={board: RunArtifact(ref=p.plots/b@stable), other: RunArtifact(ref=p.report, run='a1b2'), t: RunSource(ref=p.artifact), u: RunSource(ref=p.artifact@2)}

RUN train RETURNS ('model:model', 'auc:metric', 'rest') ASYNC
-- => StartRun function=p.train, returns=('model:model', 'auc:metric', 'rest'), asynchronous=True

EXPORT PROJECT shop TO 'shop.zip'
-- => ExportProject name='shop', path='shop.zip'

EXPORT PROJECT shop TO '/backup/shop.zip' WITHOUT RUNS
-- => ExportProject name='shop', path='/backup/shop.zip', runs=False

DROP ARTIFACT 'plots/roc.png'
-- => DropArtifact ref=p.plots/roc.png

DROP ARTIFACT IF EXISTS confusion@2 OF RUN 'a1b2c3d4'
-- => DropArtifact ref=p.confusion@2, run='a1b2c3d4', if_exists=True

DROP ARTIFACT a@champion
-- => DropArtifact ref=p.a@champion

DROP ARTIFACT fraud.report@stable
-- => DropArtifact ref=fraud.report@stable

ALTER ARTIFACT 'plots/roc.png' SET ALIAS stable = 2
-- => SetArtifactAlias ref=p.plots/roc.png, alias='stable', version='2'

ALTER ARTIFACT report SET ALIAS live TO VERSION stable
-- => SetArtifactAlias ref=p.report, alias='live', version='stable'

ALTER ARTIFACT fraud.report DROP ALIAS stable
-- => SetArtifactAlias ref=fraud.report, alias='stable', version=None

ALTER ARTIFACT 'report'@stable SET LABELS (stage = 'review', "reviewed by" = 'ana')
-- => LabelArtifact ref=p.report@stable, labels={stage: 'review', reviewed by: 'ana'}

ALTER ARTIFACT report DROP LABELS (stage, 'reviewed by')
-- => LabelArtifact ref=p.report, without=('stage', 'reviewed by')

DESCRIBE ARTIFACT 'plots/roc.png'@stable
-- => Describe kind='artifact', ref=p.plots/roc.png@stable

SHOW LINEAGE OF ARTIFACT report@2
-- => ShowLineage kind='artifact', ref=p.report@2

RESTORE RUN 'a1b2c3d4'
-- => RestoreObject kind='run', ref=p.a1b2c3d4

RESTORE MODEL fraud.m@3
-- => RestoreObject kind='model', ref=fraud.m@3

RESTORE ARTIFACT 'plots/roc.png'@2
-- => RestoreObject kind='artifact', ref=p.plots/roc.png@2

RESTORE FEATURE SET f
-- => RestoreObject kind='feature set', ref=p.f

RESTORE PROJECT Fraud
-- => RestoreObject kind='project', ref=fraud.fraud

DROP FUNCTION fraud.f@2
-- => DropFunction ref=fraud.f@2

CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body, author FROM tickets
-- => CreateCollection ref=p.notes, query=<SELECT id, body, author FROM tickets>, key=('id')

CREATE OR REPLACE COLLECTION manual SPLIT (overlap = 50) TEXT content KEY (filename) EMBED WITH MODEL minilm@champion TOKENIZER 'minilm/tokenizer.json' COMMENT 'the manual' AS SELECT filename, content FROM read_text('manual/*.md')
-- => CreateCollection ref=p.manual, query=<SELECT filename, content FROM read_text('manual/*.md')>, key=('filename'), embed=p.minilm@champion, tokenizer='minilm/tokenizer.json', split=Split(overlap=50), replace=True, comment='the manual'

CREATE COLLECTION IF NOT EXISTS faces KEY (person, taken_at) VECTOR embedding METRIC dot AS FROM portraits
-- => CreateCollection ref=p.faces, query=<FROM portraits>, key=('person', 'taken_at'), vector='embedding', metric='dot', if_not_exists=True

REFRESH COLLECTION fraud.notes FULL
-- => RefreshCollection ref=fraud.notes, full=True

DROP COLLECTION IF EXISTS notes
-- => DropCollection ref=p.notes, if_exists=True

SHOW COLLECTIONS WHERE rows > 10
-- => Show noun='collections', where=<rows > 10>

DESCRIBE COLLECTION notes
-- => Describe kind='collection', ref=p.notes

CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH FUNCTION embedding@2 AS SELECT id, body FROM t
-- => CreateCollection ref=p.notes, query=<SELECT id, body FROM t>, key=('id'), embed=p.embedding@2, embed_kind='function'

CREATE FEATURE VECTOR basket AS FEATURES (orders.total, crm.customers.*) TOLERANCE (orders = 2 HOURS, crm.customers = INTERVAL '90 days') RELATIONS (orders.customer_id = crm.customers.customer) LABEL labels.y
-- => CreateFeatureVector ref=p.basket, features=(FeatureRef(feature_set=p.orders, feature='total'), FeatureRef(feature_set=crm.customers, feature='*')), label=FeatureRef(feature_set=p.labels, feature='y'), relations=(Relation(feature=FeatureRef(feature_set=p.orders, feature='customer_id'), entity=FeatureRef(feature_set=crm.customers, feature='customer'))), tolerances=(Tolerance(feature_set=p.orders, age=2:00:00), Tolerance(feature_set=crm.customers, age=90 days, 0:00:00))

CREATE DATASET training COMMENT 'of May' AS FROM ml.features('v', 'asked')
-- => CreateDataset ref=p.training, query=<FROM ml.features('v', 'asked')>, comment='of May'

CREATE DATASET training ENGINE spark WITH (executor_memory = '8g', cores = 16) AS FROM ml.features('v', 'asked')
-- => CreateDataset ref=p.training, query=<FROM ml.features('v', 'asked')>, engine='spark', options={executor_memory: '8g', cores: 16}

VERIFY FEATURE VECTOR v
-- => VerifyFeatures kind='feature vector', ref=p.v

verify feature set fraud.customers sample 100000
-- => VerifyFeatures kind='feature set', ref=fraud.customers, sample=100000

DELETE ENTITY (customer = 7) FROM PROJECT fraud
-- => DeleteEntity entity={customer: 7}, project='fraud'

-- with {"who": "a b"}
DELETE ENTITY ("Customer Id" = $who, shop = 2) FROM FEATURE SET visits
-- => DeleteEntity entity={Customer Id: 'a b', shop: 2}, ref=p.visits

ALTER RUN 'a1b2c3d4' SET (note = 'best so far', name = NULL)
-- => ChangeRun project='p', run='a1b2c3d4', options={note: 'best so far', name: None}

ALTER RUN nightly SET LABELS (team = 'risk', 'mlflow.user' = 'ana', n = 3)
-- => ChangeRun project='p', run='nightly', labels={team: 'risk', mlflow.user: 'ana', n: 3}

ALTER RUN nightly DROP LABELS (team, 'mlflow.user')
-- => ChangeRun project='p', run='nightly', without=('team', 'mlflow.user')

ALTER FUNCTION fraud.f SET ALIAS stable TO VERSION 3
-- => SetFunctionAlias ref=fraud.f, alias='stable', version='3'

ALTER FUNCTION f DROP ALIAS stable
-- => SetFunctionAlias ref=p.f, alias='stable', version=None

RUN f@stable
-- => StartRun function=p.f@stable

CREATE FUNCTION large RUNTIME sql TIMEOUT 1 HOUR AS SELECT * FROM payments WHERE amount > $least
-- => CreateFunction ref=p.large, query=<SELECT * FROM payments WHERE amount > $least>, runtime='sql', timeout=1:00:00

CREATE FUNCTION large FROM 'large.sql' RUNTIME sql
-- => CreateFunction ref=p.large, source='large.sql', runtime='sql'

DEPLOY ENDPOINT e ON KUBERNETES WITH (replicas = 2, max_replicas = 6, cpu = 0.5, memory = '1GB', image = 'mlbox:1')
-- => DeployEndpoint ref=p.e, engine='kubernetes', options={replicas: 2, max_replicas: 6, cpu: 0.5, memory: '1GB', image: 'mlbox:1'}

deploy endpoint shop.e on docker
-- => DeployEndpoint ref=shop.e, engine='docker'

UNDEPLOY ENDPOINT e
-- => UndeployEndpoint ref=p.e

UNDEPLOY ENDPOINT e FORCE
-- => UndeployEndpoint ref=p.e, force=True

UNDEPLOY ENDPOINT shop.e ON DOCKER FORCE
-- => UndeployEndpoint ref=shop.e, engine='docker', force=True

UNDEPLOY ENDPOINT e ON KUBERNETES
-- => UndeployEndpoint ref=p.e, engine='kubernetes'

CREATE FEED scoring FROM SOURCE tx TO ENDPOINT score INTO TABLE scores
-- => CreateFeed ref=p.scoring, endpoint=p.score, source=p.tx, into=p.scores

CREATE OR REPLACE FEED hooks FROM TABLE orders BY id TO ENDPOINT score INTO 'https://shop.example.org/scored' WITH (token = SECRET hook_token, retries = 3) COMMENT 'to the shop'
-- => CreateFeed ref=p.hooks, endpoint=p.score, table=p.orders, column='id', uri='https://shop.example.org/scored', options={token: SecretName(name='hook_token'), retries: 3}, replace=True, comment='to the shop'

CREATE FEED IF NOT EXISTS nightly FROM (SELECT * FROM clients WHERE due < $scheduled_at) CRON '0 3 * * *' TIMEZONE 'Europe/Berlin' TO ENDPOINT score
-- => CreateFeed ref=p.nightly, endpoint=p.score, query=<SELECT * FROM clients WHERE due < $scheduled_at>, cron='0 3 * * *', timezone='Europe/Berlin', if_not_exists=True

CREATE FEED often FROM (SELECT 1 AS x) TO ENDPOINT score INTO TABLE scores EVERY 1 MINUTE
-- => CreateFeed ref=p.often, endpoint=p.score, query=<SELECT 1 AS x>, every=0:01:00, into=p.scores

ALTER FEED scoring SUSPEND
-- => AlterObject kind='feed', ref=p.scoring, action='suspend'

DROP FEED IF EXISTS scoring CASCADE
-- => DropFeed ref=p.scoring, if_exists=True, cascade=True

SHOW FEEDS
-- => Show noun='feeds'
