"""What a search keeps in its folder: Optuna's study, and in the end the best of it.

study.db   trials with their values (SQLite); `optuna-dashboard sqlite:///study.db` shows it
best.yaml  the best trial as overrides, for `unrolled train from=best.yaml`
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import OmegaConf

from unrolled.config.plain_yaml import read_options
from unrolled.errors import ConfigError
from unrolled.runs.durable import write_text

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.pruners import BasePruner
    from optuna.storages import RDBStorage

STUDY_NAME = "search"
SECONDS_TO_WAIT = 60  # for another process that writes


@contextmanager
def make_study(
    folder: Path, *, direction: Literal["minimize", "maximize"], definition: dict[str, Any]
) -> "Iterator[Study]":
    """Open the study of a folder, which is created if there is none.

    definition: plain values that describe the search; they are the same at every start.

    Raises:
        ConfigError: Optuna is not installed, or the folder holds another search.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError("sweep=optuna needs Optuna: pip install 'unrolled[search]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    with _storage(folder) as storage:
        study = optuna.create_study(
            storage=storage, study_name=STUDY_NAME, direction=direction, load_if_exists=True
        )
        wanted = json.dumps(definition, sort_keys=True)
        found = study.user_attrs.get("definition", wanted)
        if found != wanted:
            raise ConfigError(
                f"{folder} holds another search ({found}); choose another hydra.sweep.dir, "
                f"or search as before, not {wanted}"
            )
        study.set_user_attr("definition", wanted)
        yield study


@contextmanager
def open_study(folder: Path, *, pruner: "BasePruner") -> "Iterator[Study]":
    """Open the study of a folder in which a search runs."""
    import optuna

    with _storage(folder) as storage:
        yield optuna.load_study(study_name=STUDY_NAME, storage=storage, pruner=pruner)


def running_trial(study: "Study", number: int) -> "Trial | None":
    """Return a trial that has been begun and not ended; None if it is not one."""
    import optuna

    frozen = study.get_trials(deepcopy=False)[number]
    if frozen.state != optuna.trial.TrialState.RUNNING:
        return None
    return optuna.Trial(study, frozen._trial_id)


def write_best(folder: Path, *, metric: str, value: float, overrides: list[str]) -> None:
    """Write best.yaml."""
    best = {"metric": metric, "value": value, "overrides": overrides}
    write_text(folder / "best.yaml", OmegaConf.to_yaml(OmegaConf.create(best)), durable=True)


def best_overrides(path: Path) -> list[str]:
    """Return the overrides that a best.yaml holds.

    Raises:
        ConfigError: it is no such file.
    """
    if not path.is_file():
        raise ConfigError(f"from={path}: no such file; a search leaves it when it has ended")
    best = OmegaConf.to_container(read_options(path)[1])
    if not isinstance(best, dict) or "overrides" not in best:
        raise ConfigError(f"from={path}: need a best.yaml that a search has left")
    return [str(override) for override in best["overrides"]]


@contextmanager
def _storage(folder: Path) -> "Iterator[RDBStorage]":
    """Open study.db, and close every connection to it at the end."""
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    # no connection stays open between two queries: a fork must not share one
    storage = RDBStorage(
        f"sqlite:///{folder / 'study.db'}",
        engine_kwargs={"poolclass": NullPool, "connect_args": {"timeout": SECONDS_TO_WAIT}},
    )
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
