"""Object stores of which profiles keep credentials: the options of each, and what libraries call them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CREDENTIALS = frozenset(
    "password secret token account_key sas_token client_secret connection_string private_key".split()
)
"""Options whose values nobody may read."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """``schemes`` of URLs; ``options`` with what ``object_store`` (of Delta Lake) calls them, None where it has no
    word."""

    schemes: tuple[str, ...]
    options: Mapping[str, str | None]


STORES = {
    "s3": ObjectStore(
        ("s3", "s3a"),
        {
            "key": "AWS_ACCESS_KEY_ID",
            "secret": "AWS_SECRET_ACCESS_KEY",
            "token": "AWS_SESSION_TOKEN",
            "endpoint_url": "AWS_ENDPOINT_URL",
            "region": "AWS_REGION",
            "anon": "AWS_SKIP_SIGNATURE",
            "profile": None,
        },
    ),
    "gcs": ObjectStore(
        ("gs", "gcs"), {"token": "GOOGLE_SERVICE_ACCOUNT_KEY", "project": None, "endpoint_url": None, "anon": None}
    ),
    "azure": ObjectStore(
        ("az", "abfs", "abfss", "adl"),
        {
            "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
            "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
            "sas_token": "AZURE_STORAGE_SAS_TOKEN",
            "connection_string": None,
            "tenant_id": "AZURE_STORAGE_TENANT_ID",
            "client_id": "AZURE_STORAGE_CLIENT_ID",
            "client_secret": "AZURE_STORAGE_CLIENT_SECRET",
            "anon": "AZURE_SKIP_SIGNATURE",
        },
    ),
    "http": ObjectStore(("http", "https"), {"username": None, "password": None, "token": None}),
}
"""By the type of a profile."""


def scheme_of(url: str) -> str:
    """``s3`` of ``s3://bucket/x``; empty for a path."""
    return url.partition("://")[0].lower() if "://" in url else ""


def type_of(url: str) -> str | None:
    """The type of profile that a URL takes, or None."""
    scheme = scheme_of(url)
    return next((name for name, store in STORES.items() if scheme in store.schemes), None)


def for_fsspec(kind: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """What the file system of fsspec takes; of no known kind, the options as they are."""
    found = dict(options)
    if kind == "s3" and "region" in found:
        found["client_kwargs"] = {"region_name": found.pop("region"), **found.get("client_kwargs", {})}
    if kind == "gcs":
        token = found.get("token")
        if found.pop("anon", False):
            found["token"] = "anon"
        elif isinstance(token, str) and token.lstrip().startswith("{"):
            found["token"] = json.loads(token)
    if kind == "http" and not {"token", "username", "password"}.isdisjoint(found):
        token, user, password = (found.pop(name, "") for name in ("token", "username", "password"))
        told = f"Bearer {token}" if token else f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        found["client_kwargs"] = {"headers": {"Authorization": told}, **found.get("client_kwargs", {})}
    return found


def for_object_store(kind: str, options: Mapping[str, Any]) -> dict[str, str]:
    """What Delta Lake's library takes."""
    known = STORES[kind].options
    found = {
        word: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in options.items()
        if (word := known.get(name.lower())) is not None
    }
    if found.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        found["AWS_ALLOW_HTTP"] = "true"
    return found


def without_credentials(text: str, options: Mapping[str, Any]) -> str:
    """What a library says, in which no credential may stand."""
    for name, value in options.items():
        if name.lower() in CREDENTIALS and isinstance(value, str) and len(value) >= 4:
            text = text.replace(value, "***")
    return text
