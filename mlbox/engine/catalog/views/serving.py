"""Views of endpoints and of the prediction log."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "endpoints",
        "One row an endpoint, with what it has done.",
        """
        WITH traffic AS (
            SELECT e.id, sum(t.requests)::BIGINT AS requests, sum(t.errors)::BIGINT AS errors,
                sum(t.unrecorded)::BIGINT AS unrecorded, max(t.last_request) AS last_request
            FROM data._mlbox.traffic t JOIN catalog.main.endpoints e
                ON t.project = e.project AND t.endpoint = e.name AND t.last_request >= e.created_at
            GROUP BY e.id
        ), latency AS (
            SELECT e.id, approx_quantile(p.latency_ms, [0.5, 0.99]) AS quantiles
            FROM data._mlbox.predictions p JOIN catalog.main.endpoints e
                ON p.project = e.project AND p.endpoint = e.name AND p.predicted_at >= e.created_at
            WHERE p.ordinal = 0 AND NOT p.shadow AND p.status = 'ok'
            GROUP BY e.id
        )
        SELECT e.project, e.name, e.state,
            list_aggregate(list_transform(e.shares, lambda s:
                CASE WHEN s.project = e.project THEN s.name ELSE s.project || '.' || s.name END || '@' || s.version
            ), 'string_agg', ', ') AS model,
            CASE WHEN len(e.shares) = 1 THEN coalesce(
                TRY_CAST(e.shares[1].version AS INTEGER),
                (SELECT a.version FROM catalog.main.model_aliases a JOIN catalog.main.models m ON m.id = a.model_id
                 WHERE m.project = e.shares[1].project AND lower(m.name) = lower(e.shares[1].name)
                    AND lower(a.alias) = lower(e.shares[1].version)),
                (SELECT max(v.version) FROM catalog.main.model_versions v
                 JOIN catalog.main.models m ON m.id = v.model_id
                 WHERE m.project = e.shares[1].project AND lower(m.name) = lower(e.shares[1].name)
                    AND e.shares[1].version = 'latest')
            ) END AS model_version,
            to_json(e.shares)::VARCHAR AS serving,
            CASE WHEN e.vector_project = e.project THEN e.vector_name
                ELSE e.vector_project || '.' || e.vector_name END AS feature_vector,
            '/v2/models/' || e.project || '.' || e.name || '/infer' AS url,
            e.log_percent, coalesce(t.requests, 0) AS requests, coalesce(t.errors, 0) AS errors,
            coalesce(t.unrecorded, 0) AS unrecorded,
            l.quantiles[1]::DOUBLE AS p50_ms, l.quantiles[2]::DOUBLE AS p99_ms, t.last_request,
            e.created_at, e.comment, e.serving AS kind,
            CASE WHEN (e.parts->>'$.function[0]') = e.project THEN '' ELSE (e.parts->>'$.function[0]') || '.' END
                || (e.parts->>'$.function[1]') || '@' || (e.parts->>'$.function[2]') AS "function",
            (e.parts->>'$.path') AS path, (e.parts->>'$.graph.text') AS graph, e.ensemble,
            CASE WHEN e.shadow.project = e.project THEN e.shadow.name ELSE e.shadow.project || '.' || e.shadow.name END
                || '@' || e.shadow.version AS shadow,
            nullif(e.impute::VARCHAR, '{}') AS impute, (e.parts->>'$.preprocess') AS preprocess,
            (e.parts->>'$.postprocess') AS postprocess, nullif(e.options::VARCHAR, '{}') AS options
        FROM catalog.main.endpoints e
        LEFT JOIN traffic t ON t.id = e.id
        LEFT JOIN latency l ON l.id = e.id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name"),
            ViewColumn("state", "VARCHAR", "ready or suspended"),
            ViewColumn("model", "VARCHAR", "What it serves, as it was written"),
            ViewColumn("model_version", "INTEGER", "The version that answers now, when there is one model"),
            ViewColumn("serving", "VARCHAR", "Models and their weights as JSON"),
            ViewColumn("feature_vector", "VARCHAR", "The feature vector that enriches its requests"),
            ViewColumn("url", "VARCHAR", "Where to post, below the server's address"),
            ViewColumn("log_percent", "DOUBLE", "Share of the requests that is recorded", "%"),
            ViewColumn("requests", "BIGINT", "Requests, recorded or not", "requests"),
            ViewColumn("errors", "BIGINT", "Requests that were answered with an error", "requests"),
            ViewColumn(
                "unrecorded",
                "BIGINT",
                "Predictions that should be in the log and were lost: its buffer was full, or it could not be written",
                "rows",
            ),
            ViewColumn("p50_ms", "DOUBLE", "Median time to answer the recorded requests", "ms"),
            ViewColumn("p99_ms", "DOUBLE", "Time in which 99 % of them were answered", "ms"),
            ViewColumn("last_request", _TIME, "When the last request came"),
            ViewColumn("created_at", _TIME, "When it was made"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
            ViewColumn("kind", "VARCHAR", "What answers: model, traffic, ensemble, function or graph"),
            ViewColumn("function", "VARCHAR", "The function that answers, with its version"),
            ViewColumn("path", "VARCHAR", "A path of its own, which takes any JSON"),
            ViewColumn("graph", "VARCHAR", "The graph that answers, as its file has it"),
            ViewColumn("ensemble", "VARCHAR", "How members become one prediction: mean, vote, weighted or stack"),
            ViewColumn("shadow", "VARCHAR", "The model that is asked as well and answers nobody"),
            ViewColumn("impute", "VARCHAR", "What stands for a missing feature, as JSON"),
            ViewColumn("preprocess", "VARCHAR", "Expressions that add columns to a request"),
            ViewColumn("postprocess", "VARCHAR", "Expressions that the answer is made of"),
            ViewColumn("options", "VARCHAR", "What its WITH says, as JSON"),
        ),
    ),
    View(
        "deployments",
        "One row an endpoint on an engine (DEPLOY ENDPOINT), with what its replicas have told.",
        """
        SELECT d.project, d.endpoint, d.engine, d.state, d.name, d.place, d.image, d.replicas, d.max_replicas,
            d.version, d.problem,
            list_aggregate(list_transform(json_extract(d.bundle::JSON, '$.models')::JSON[], lambda m:
                (m->>'$.project') || '.' || (m->>'$.name') || '@' || (m->>'$.version')), 'string_agg', ', ') AS models,
            d.address, coalesce(r.rows, 0)::BIGINT AS predictions, r.reported_at, d.deployed_at, d.deployed_by
        FROM catalog.main.deployments d LEFT JOIN (
            SELECT deployment, sum(rows) AS rows, max(reported_at) AS reported_at
            FROM data._mlbox.replicas GROUP BY deployment
        ) r ON r.deployment = d.id
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("endpoint", "VARCHAR", "Endpoint"),
            ViewColumn("engine", "VARCHAR", "docker or kubernetes"),
            ViewColumn("state", "VARCHAR", "How DEPLOY left it: starting, ready or failed"),
            ViewColumn("name", "VARCHAR", "Of the container, or of Deployment, Service and autoscaler"),
            ViewColumn("place", "VARCHAR", "The namespace, or the address of the Docker engine"),
            ViewColumn("image", "VARCHAR", "Image of the replicas"),
            ViewColumn("replicas", "INTEGER", "Replicas, the least of them where there is an autoscaler", "replicas"),
            ViewColumn("max_replicas", "INTEGER", "The most that the autoscaler makes", "replicas"),
            ViewColumn("version", "VARCHAR", "Of what the replicas are made of; another one makes them roll"),
            ViewColumn("problem", "VARCHAR", "Why the version that was wanted last does not answer"),
            ViewColumn("models", "VARCHAR", "Models of the replicas; they stay until DEPLOY is said again"),
            ViewColumn("address", "VARCHAR", "Where callers reach it"),
            ViewColumn("predictions", "BIGINT", "Recorded predictions that have come from its replicas", "rows"),
            ViewColumn("reported_at", _TIME, "When the last of them came"),
            ViewColumn("deployed_at", _TIME, "When it was deployed, the last time"),
            ViewColumn("deployed_by", "VARCHAR", "By whom"),
        ),
    ),
    View(
        "predictions",
        "One row a predicted row of a recorded request; a failed request has one row without a prediction.",
        """
        SELECT p.project, p.endpoint, p.model, p.model_version, p.request_id,
            CASE WHEN p.row_id IS NULL AND p.shape IS NOT NULL THEN p.request_id ELSE p.row_id END AS row_id,
            p.predicted_at, p.event_time, p.latency_ms, p.status, p.error, p.inputs,
            CASE WHEN p.shape IS NULL THEN p.features ELSE map(s.names, p.seen) END AS features,
            p.prediction, p.outputs, p.shadow
        FROM data._mlbox.predictions p LEFT JOIN data._mlbox.prediction_shapes s ON s.shape = p.shape
        """,
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("endpoint", "VARCHAR", "Endpoint that answered"),
            ViewColumn("model", "VARCHAR", "Model that answered; of an ensemble, all of them"),
            ViewColumn("model_version", "INTEGER", "Its version; NULL for an ensemble"),
            ViewColumn("request_id", "VARCHAR", "Identifier of the request, the caller's own if he gave one"),
            ViewColumn("row_id", "VARCHAR", "The caller's row_ids, else made of the request's id"),
            ViewColumn("predicted_at", _TIME, "When it was answered"),
            ViewColumn("event_time", _TIME, "The caller's event_time, else predicted_at"),
            ViewColumn("latency_ms", "DOUBLE", "Time inside mlbox, of the whole request", "ms"),
            ViewColumn("status", "VARCHAR", "ok or error"),
            ViewColumn("error", "VARCHAR", "What was wrong"),
            ViewColumn("inputs", "VARIANT", "What the caller sent, by name"),
            ViewColumn("features", "MAP(VARCHAR, DOUBLE)", "What the model saw; NULL is a missing value"),
            ViewColumn("prediction", "DOUBLE", "The prediction: probability of class 1, or the value"),
            ViewColumn("outputs", "VARIANT", "All outputs of the model"),
            ViewColumn("shadow", "BOOLEAN", "Whether the caller never saw it (a shadow model)"),
        ),
    ),
)
