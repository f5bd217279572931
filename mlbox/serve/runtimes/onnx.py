"""ONNX, in the server's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.serve.runtimes.base import RUNTIMES, Capabilities

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.engine.models.sessions import Predictor
    from mlbox.serve.shop import Shop


class Onnx:
    """Sessions of ONNX Runtime, which endpoints and SQL share."""

    name = "onnx"
    capabilities = Capabilities(in_process=True)

    def foresee(self, version: ModelVersion, shop: Shop) -> str:
        """It is opened already here: that takes milliseconds and starts nothing."""
        shop.models.predictor_of(version)
        return "in the server"

    def open(self, version: ModelVersion, row: EndpointRow, shop: Shop) -> Predictor:
        """The predictor of the version."""
        return shop.models.predictor_of(version)


RUNTIMES.add("onnx", Onnx())
