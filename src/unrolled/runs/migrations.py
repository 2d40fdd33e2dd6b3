"""Brings run folders of earlier versions to the current format when they are read.

The files themselves are never changed. A change of format after 0.1.0 adds one function here and,
in tests/golden/, a run folder that the version before it wrote.
"""

from collections.abc import Callable
from typing import Any

from unrolled.errors import CheckpointError

FORMAT_VERSION = 1  # of result.json and preprocessing.json

# By name of the file and the format version that it has: changes its values to the next version.
FILES: dict[str, dict[int, Callable[[dict[str, Any]], None]]] = {
    "preprocessing.json": {},
    "result.json": {},
}


def _add_later_settings(values: dict[str, Any]) -> None:
    values.setdefault("calibration", "none")
    values.setdefault("report", {"examples": 8})
    model = values.get("model") or {}
    if str(model.get("_target_")).endswith(".ResidualStack"):
        model.setdefault("kernel", "torch")
    views = (values.get("callbacks") or {}).get("tensorboard_views")
    if views is not None:
        views.setdefault("graph", False)
        views.setdefault("projector", False)


# Each changes the values of config.yaml if they have an earlier form, for example a missing key.
# config.yaml has no version: it has the settings of conf/ and nothing else.
CONFIG: list[Callable[[dict[str, Any]], None]] = [_add_later_settings]


def migrate_file(values: dict[str, Any], *, name: str, place: str) -> dict[str, Any]:
    """Return the values of a versioned JSON file in the current format, without the version.

    name: of the file, a key of `FILES`.
    place: path of the file, for the message of an error.

    Raises:
        CheckpointError: the version is unknown, for example because a later version wrote it.
    """
    version = values.pop("format_version", None)
    while version != FORMAT_VERSION:
        change = FILES[name].get(version) if isinstance(version, int) else None
        if change is None:
            raise CheckpointError(
                f"{place} has format version {version}, but this version of unrolled reads up to "
                f"{FORMAT_VERSION}; use the version that wrote it, which provenance.json names"
            )
        change(values)
        version += 1
    return values


def migrate_config(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a config.yaml in the current format."""
    for change in CONFIG:
        change(values)
    return values
