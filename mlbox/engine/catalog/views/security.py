"""Views of members, tokens, secrets and profiles. Neither a token nor a secret's value is in any of them."""

from __future__ import annotations

from mlbox.engine.catalog.views.base import View, ViewColumn

_TIME = "TIMESTAMP WITH TIME ZONE"

VIEWS = (
    View(
        "members",
        "One row a role of a user in a project.",
        'SELECT project, "user" AS name, role, granted_at, granted_by FROM catalog.main.members',
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "User"),
            ViewColumn("role", "VARCHAR", "viewer, editor or admin"),
            ViewColumn("granted_at", _TIME, "When it was granted"),
            ViewColumn("granted_by", "VARCHAR", "Who granted it"),
        ),
    ),
    View(
        "tokens",
        "One row a token; members see their own.",
        """
        SELECT id, "user" AS name, created_at, created_by, expires_at,
            expires_at IS NOT NULL AND expires_at <= now() AS expired, comment
        FROM catalog.main.tokens
        """,
        (
            ViewColumn("id", "VARCHAR", "Identifier, for DROP TOKEN; it is no part of the token"),
            ViewColumn("name", "VARCHAR", "User whom it lets in"),
            ViewColumn("created_at", _TIME, "When it was made"),
            ViewColumn("created_by", "VARCHAR", "Who made it"),
            ViewColumn("expires_at", _TIME, "From when it is refused; NULL when it has no end"),
            ViewColumn("expired", "BOOLEAN", "Whether that time has come"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
        ),
        seen="own",
    ),
    View(
        "secrets",
        "One row a secret: its name and its age, never its value.",
        "SELECT project, name, updated_at, updated_by FROM catalog.main.secrets",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name, as in SECRETS (name)"),
            ViewColumn("updated_at", _TIME, "When its value was set"),
            ViewColumn("updated_by", "VARCHAR", "Who set it"),
        ),
    ),
    View(
        "profiles",
        "One row a profile of an object store: what it is for, never its credentials.",
        "SELECT project, name, type, shown AS options, comment, updated_at, updated_by FROM catalog.main.profiles",
        (
            ViewColumn("project", "VARCHAR", "Project"),
            ViewColumn("name", "VARCHAR", "Name, as in WITH (profile = name)"),
            ViewColumn("type", "VARCHAR", "Kind of store: s3, gcs, azure or http"),
            ViewColumn("options", "VARCHAR", "Options that are no credentials, as JSON; secrets by their names"),
            ViewColumn("comment", "VARCHAR", "What it is for"),
            ViewColumn("updated_at", _TIME, "When it was made or replaced"),
            ViewColumn("updated_by", "VARCHAR", "Who did"),
        ),
    ),
)
