-- What `mlbox demo` shows at its end.
WITH moves AS (
    SELECT from_version, to_version, moved_at FROM ml.model_alias_moves
    WHERE project = 'flights' AND name = 'delay' AND alias = 'champion'
), compared AS (
    SELECT facts.champion::DOUBLE AS champion, facts.challenger::DOUBLE AS challenger
    FROM ml.steps WHERE project = 'flights' AND step = 'compare' AND state = 'completed' ORDER BY finished_at DESC LIMIT 1
)
SELECT 'runs' AS what, count(*) || ' (' || count(*) FILTER (state = 'completed') || ' completed)' AS value
FROM ml.runs WHERE project = 'flights'
UNION ALL
SELECT 'champion before', coalesce('version ' || (SELECT to_version FROM moves ORDER BY moved_at LIMIT 1), 'none')
UNION ALL
SELECT 'champion after', coalesce('version ' || (SELECT to_version FROM moves ORDER BY moved_at DESC LIMIT 1), 'none')
    || CASE WHEN (SELECT count(*) FROM moves) > 1 THEN '' ELSE ' (the challenger was not better)' END
UNION ALL
SELECT 'AUC on the newest week, champion before', coalesce((SELECT round(champion, 4)::VARCHAR FROM compared), 'not compared')
UNION ALL
SELECT 'AUC on the newest week, challenger', coalesce((SELECT round(challenger, 4)::VARCHAR FROM compared), 'not compared')
UNION ALL
SELECT 'AUC live, ' || strftime(window_start, '%d %b') || ' to ' || strftime(window_end - INTERVAL 1 SECOND, '%d %b'),
       round(value, 4) || ' (' || n || ' predictions)'
FROM ml.drift WHERE project = 'flights' AND monitor = 'late_arrival_watch' AND metric = 'auc'
UNION ALL
SELECT 'requests', format('{:,}', requests) || ', ' || errors || ' errors'
FROM ml.endpoints WHERE project = 'flights' AND name = 'late_arrival'
UNION ALL
SELECT 'latency p50, p99', round(p50_ms, 2) || ' ms, ' || round(p99_ms, 2) || ' ms'
FROM ml.endpoints WHERE project = 'flights' AND name = 'late_arrival'
UNION ALL
SELECT 'drift of ' || feature || ' (PSI, last window)', round(value, 3)::VARCHAR
FROM (
    SELECT feature, value FROM ml.drift
    WHERE project = 'flights' AND monitor = 'late_arrival_watch' AND metric = 'psi' AND feature IS NOT NULL
    QUALIFY window_start = max(window_start) OVER ()
    ORDER BY value DESC
);
