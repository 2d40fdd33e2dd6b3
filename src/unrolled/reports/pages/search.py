"""What Optuna's study of a search shows: its history, and which settings mattered."""

import logging
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

IMPORTANCE_SEED = 0  # of the random forest that estimates the importance


@dataclass(frozen=True)
class Search:
    """A study.

    values: monitored score of each finished trial, by its number.
    num_pruned, num_failed: trials that were stopped early, or failed.
    best_so_far: the best score up to each finished trial.
    importance: share of the variance of the score that a setting explains (fANOVA, Hutter et al.
        2014), by its key, the largest first. Empty with too few trials.
    """

    metric: str
    values: dict[int, float]
    best_so_far: dict[int, float]
    num_pruned: int
    num_failed: int
    importance: dict[str, float]


def read_search(folder: Path, *, metric: str) -> Search | None:
    """Return the study of a sweep folder; None if it has none, or Optuna is not installed.

    metric: the score that the search optimizes.
    """
    file = folder / "study.db"
    if not file.is_file():
        return None
    try:
        import optuna
        from optuna.storages import RDBStorage
        from optuna.trial import TrialState
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool
    except ImportError:
        log.warning("%s is not shown: pip install 'unrolled[search]'", file)
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = RDBStorage(f"sqlite:///{file}", engine_kwargs={"poolclass": NullPool})
        try:
            study = optuna.load_study(study_name=None, storage=storage)
            trials = study.get_trials(deepcopy=False)
            is_smallest = study.direction == optuna.study.StudyDirection.MINIMIZE
            importance = _importance(study)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (SQLAlchemyError, KeyError, ValueError) as error:
        log.warning("%s is not shown: %s", file, error)
        return None
    states = [trial.state for trial in trials]
    values = {
        trial.number: trial.value
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    }
    best_so_far: dict[int, float] = {}
    best: float | None = None
    for number, value in values.items():
        best = value if best is None else (min if is_smallest else max)(best, value)
        best_so_far[number] = best
    return Search(
        metric=metric,
        values=values,
        best_so_far=best_so_far,
        num_pruned=states.count(TrialState.PRUNED),
        num_failed=states.count(TrialState.FAIL),
        importance=importance,
    )


def _importance(study: "optuna.Study") -> dict[str, float]:  # type: ignore[name-defined]  # noqa: F821
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    evaluator = FanovaImportanceEvaluator(seed=IMPORTANCE_SEED)
    try:
        found = get_param_importances(study, evaluator=evaluator)
    except (RuntimeError, ValueError):  # fewer than two trials, or all have the same score
        return {}
    return {name: float(share) for name, share in found.items()}
