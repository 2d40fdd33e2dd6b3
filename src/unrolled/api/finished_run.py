"""What `unrolled.train` returns: a run folder with its scores."""

import os
from pathlib import Path
from typing import Any

from unrolled.runs.result import Result


class FinishedRun(os.PathLike[str]):
    """A run folder that works as a path, and has each score as an attribute.

    For example, `run.test_accuracy` is the score test/accuracy, and `run / "config.yaml"` a file.
    It also has the attributes of a Path, such as `run.name`.

    path: the run folder.
    result: the content of its result.json.
    """

    def __init__(self, path: Path, *, result: Result) -> None:
        self.path = path
        self.result = result

    @property
    def scores(self) -> dict[str, float | None]:
        """All scores by name, for example test/accuracy."""
        return dict(self.result.scores)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "result" not in self.__dict__:  # also while it is unpickled
            raise AttributeError(name)
        named = {key.replace("/", "_"): value for key, value in self.result.scores.items()}
        if name in named:
            return named[name]
        if hasattr(self.path, name):
            return getattr(self.path, name)
        raise AttributeError(f"the run has no score {name!r}; it has {', '.join(sorted(named))}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(key.replace("/", "_") for key in self.result.scores)]

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name

    def __repr__(self) -> str:
        shown = [
            f"{name}={value:.4g}"
            for name, value in self.result.scores.items()
            if name.endswith("/accuracy") and value is not None
        ]
        return f"FinishedRun({', '.join([repr(str(self.path)), *shown])})"
