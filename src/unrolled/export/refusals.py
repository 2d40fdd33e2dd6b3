"""Which models an exporter can follow."""

from unrolled.building.ensemble import Ensemble
from unrolled.building.network import Network
from unrolled.config.conf_folder import CONF
from unrolled.errors import ConfigError

WITHOUT_GRAPH = ("minirocket",)  # options of model


def require_exportable(ensemble: Ensemble) -> None:
    """Refuse a model that has no graph.

    Raises:
        ConfigError: the message names the model, and those that can be exported.
    """
    for member in ensemble.members:
        if not isinstance(member, Network):
            name = type(member).__name__.lower()
            raise ConfigError(
                f"model={name} cannot be exported to ONNX; {exportable()}. format=safetensors "
                "writes the weights of any model"
            )
        if member.words is not None:
            raise ConfigError(
                "data.embedding: a graph reads numbers, and this model reads words; train with "
                "data.embedding=null. format=safetensors writes the weights of any model"
            )


def exportable() -> str:
    """Return a sentence that lists the models and heads that can be exported."""
    models = [name for name in _options("model") if name not in WITHOUT_GRAPH]
    return (
        f"these models can: {', '.join(models)}, with any of the heads "
        f"{', '.join(_options('head'))}"
    )


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("[!_]*.yaml"))
