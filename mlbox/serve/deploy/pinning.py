"""An endpoint with versions in the place of aliases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlbox.base.names import Ref
from mlbox.serve.substitutes import with_set_statistics

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.serve.shop import Shop


def pinned(row: EndpointRow, shop: Shop) -> tuple[EndpointRow, list[ModelVersion]]:
    """The row with versions in the place of aliases, as they are now, and these; ``NotFound`` when one is gone."""
    found: dict[str, ModelVersion] = {}

    def pin(share: ShareRow) -> ShareRow:
        model = shop.models.resolve(Ref(share.project, share.name, share.version))
        found[str(model)] = model
        return replace(share, version=str(model.version))

    row = with_set_statistics(row, shop)
    fixed = replace(
        row,
        shares=tuple(pin(share) for share in row.shares),
        shadow=pin(row.shadow) if row.shadow else None,
        meta=pin(row.meta) if row.meta else None,
    )
    return fixed, list(found.values())
