"""Runs the estimator checks of aeon or sktime on a thin wrapper of RecurrentClassifier.

python benchmarks/estimator_checks.py aeon|sktime

They need an environment of their own, in which `pip install aeon` or `pip install sktime` chooses
older versions of pandas and NumPy than requirements.lock has. Prints each check that does not pass,
and how many pass.
"""

import sys
import time
from collections import Counter
from typing import Any, ClassVar

from unrolled import RecurrentClassifier

# Ten sequences are too few to hold some out, and eight epochs enough for the scores of the checks.
TINY = ("model.hidden_size=8", "optimizer.lr=0.03", "data.val_size=0", "trainer.max_epochs=8")
PARAMETERS = {"model": "gru", "recipe": "own", "overrides": TINY, "random_state": 0}


def aeon_wrapper() -> type:
    """Return a classifier of aeon, which passes arrays (d, t) in a list."""
    from aeon.classification.base import BaseClassifier

    class AeonRecurrent(BaseClassifier):  # type: ignore[misc]
        _tags: ClassVar = {
            "X_inner_type": "np-list",
            "capability:multivariate": True,
            "capability:unequal_length": True,
        }

        def __init__(
            self,
            model: str | None = None,
            recipe: str | None = None,
            overrides: tuple[str, ...] = (),
            random_state: Any = None,
        ) -> None:
            self.model = model
            self.recipe = recipe
            self.overrides = overrides
            self.random_state = random_state
            super().__init__()

        def _fit(self, X: Any, y: Any) -> Any:  # noqa: N803 - the name in aeon
            parameters = self.get_params()
            self.classifier_ = RecurrentClassifier(**parameters).fit([x.T for x in X], y)
            return self

        def _predict(self, X: Any) -> Any:  # noqa: N803
            return self.classifier_.predict([x.T for x in X])

        def _predict_proba(self, X: Any) -> Any:  # noqa: N803
            return self.classifier_.predict_proba([x.T for x in X])

        @classmethod
        def _get_test_params(cls, parameter_set: str = "default") -> Any:
            return PARAMETERS

    return AeonRecurrent


def sktime_wrapper() -> type:
    """Return a classifier of sktime, which passes DataFrames with a row per step in a list."""
    from sktime.classification.base import BaseClassifier

    class SktimeRecurrent(BaseClassifier):  # type: ignore[misc]
        _tags: ClassVar = {
            "X_inner_mtype": "df-list",
            "capability:multivariate": True,
            "capability:unequal_length": True,
            "capability:predict_proba": True,
            "capability:random_state": True,
        }

        def __init__(
            self,
            model: str | None = None,
            recipe: str | None = None,
            overrides: tuple[str, ...] = (),
            random_state: Any = None,
        ) -> None:
            self.model = model
            self.recipe = recipe
            self.overrides = overrides
            self.random_state = random_state
            super().__init__()

        def _fit(self, X: Any, y: Any) -> Any:  # noqa: N803 - the name in sktime
            self.classifier_ = RecurrentClassifier(**self.get_params()).fit(X, y)
            return self

        def _predict(self, X: Any) -> Any:  # noqa: N803
            return self.classifier_.predict(X)

        def _predict_proba(self, X: Any) -> Any:  # noqa: N803
            return self.classifier_.predict_proba(X)

        @classmethod
        def get_test_params(cls, parameter_set: str = "default") -> Any:
            """Return the parameters that the checks use."""
            return PARAMETERS

    return SktimeRecurrent


def main(library: str) -> None:
    """Run the checks and print their results."""
    started_at = time.process_time()
    if library == "aeon":
        from aeon.testing.estimator_checking import check_estimator

        wrapper = aeon_wrapper()
        globals()[wrapper.__name__] = wrapper  # so that the checks can pickle it
        wrapper.__qualname__ = wrapper.__name__
        results = check_estimator(wrapper, raise_exceptions=False)
    elif library == "sktime":
        from sktime.utils.estimator_checks import check_estimator

        wrapper = sktime_wrapper()
        globals()[wrapper.__name__] = wrapper
        wrapper.__qualname__ = wrapper.__name__
        results = check_estimator(wrapper, raise_exceptions=False, verbose=False)
    else:
        raise SystemExit(__doc__)
    outcomes = {name: _outcome(result) for name, result in results.items()}
    for name, outcome in outcomes.items():
        if outcome != "passed":
            print(f"{outcome}  {name}\n    {' '.join(str(results[name]).split())[:300]}")
    print(*(f"{num} {outcome}" for outcome, num in Counter(outcomes.values()).items()), sep=", ")
    print(f"{time.process_time() - started_at:.0f} s of CPU time")


def _outcome(result: object) -> str:
    if str(result).upper().startswith("PASSED"):
        return "passed"
    is_failed = isinstance(result, BaseException) or str(result).startswith("FAILED")
    return "failed" if is_failed else "skipped"


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
