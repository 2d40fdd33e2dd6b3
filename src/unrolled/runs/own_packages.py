"""The source code of the packages that `allow` names, so that an edit is noticed."""

import hashlib
import importlib.util
import logging
from functools import cache
from pathlib import Path
from typing import Any

from unrolled.config.classes import allowed_packages

log = logging.getLogger(__name__)


def own_packages() -> dict[str, str]:
    """Return a hash of the source code of each allowed package, by name; nothing is imported."""
    return {package: hash_of(package) for package in sorted(set(allowed_packages()))}


def edited_packages(provenance: dict[str, Any]) -> list[str]:
    """Return the allowed packages whose source code differs from what a run has recorded.

    provenance: of the run. Packages that it did not allow are left out.
    """
    before = provenance.get("own_packages", {})
    return [name for name, now in own_packages().items() if before.get(name, now) != now]


def warn_if_edited(provenance: dict[str, Any]) -> None:
    """Log the allowed packages whose source code has changed since a run was started.

    provenance: of the run.
    """
    for package in edited_packages(provenance):
        log.warning(
            "%s has been edited since the run was started: the same weights may give other results",
            package,
        )


@cache  # this process does not run later edits
def hash_of(package: str) -> str:
    """Return a hash of the source code of a package, or "" if it has no files."""
    first, *rest = package.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except ValueError:  # __main__ of a notebook
        spec = None
    if spec is None:
        return ""
    places = [Path(place, *rest) for place in spec.submodule_search_locations or ()]
    files = [file for place in places for file in place.rglob("*.py")]
    files += [file for place in places if (file := place.with_suffix(".py")).is_file()]
    if not places and spec.has_location and spec.origin is not None:
        files = [Path(spec.origin)]
    if not files:
        return ""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
