"""The classifier of this package as an estimator of scikit-learn; see docs/python.md."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig, open_dict
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from unrolled.api.restored import quiet, restored
from unrolled.commands.arguments import quote_names
from unrolled.config.checks import check_config
from unrolled.config.composition import compose_config, without_hydra
from unrolled.config.compound import is_compound, part_configs
from unrolled.data.arrays.held import Given, holding
from unrolled.data.arrays.sequences import sequences_of
from unrolled.errors import ConfigError
from unrolled.runs.run_folder import RunFolder

# Settings of `fit`, unless you choose them: all sequences are for training, and nothing is logged.
USUAL = {"data.test_size": "0", "data.baselines": "false", "logger": "none", "trainer": "cpu"}
DISPLAYS = ("progress", "tensorboard_views", "watchdog")  # callbacks that only report
LARGEST_SEED = 2**31 - 1


class RecurrentClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifies sequences with the model and the training of `unrolled train data=arrays`.

    This is the only class whose constructor has default values, as scikit-learn requires. None is
    the value in conf/.

    model: an option of conf/model, such as "gru".
    recipe: an option of conf/recipe, such as "own".
    overrides: further settings of the command line, such as ("trainer.max_epochs=20",). With
        "hydra.run.dir=DIR" the run folder is kept.
    random_state: an integer is the seed of the run. A RandomState draws one. None is `seed` in
        conf/train.yaml, so that two fits are equal.
    verbose: whether to print what a run logs.

    After `fit`:

    classes_: the labels, sorted, (c,).
    n_features_in_: columns of a table (n, t). Arrays (n, t, d) and lists have no such attribute.
    predictor_: the trained run; see `unrolled.load`.
    """

    def __init__(
        self,
        model: str | None = None,
        recipe: str | None = None,
        overrides: Sequence[str] = (),
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.overrides = overrides
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> "RecurrentClassifier":  # noqa: N803 - the name in scikit-learn
        """Train on sequences.

        X: array (n, t, d), table (n, t), or a list of n sequences (t_i, d).
        y: label of each sequence, (n,).

        Raises:
            ValueError: the data or a setting is wrong.
        """
        x, y = self._labelled(X, y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"RecurrentClassifier needs at least two classes; the data has one class, "
                f"{self.classes_[0]!r}"
            )
        words = tuple(self._words())
        config, folder = composed(words, Path.cwd())
        config.seed = self._seed(config.seed)
        if not self.verbose:
            _hide_displays(config)
        with (
            holding({"train": Given(x, numbers)}),
            restored(),
            quiet(verbose=self.verbose),
            _folder(folder) as run,
        ):
            from unrolled.prediction import Predictor
            from unrolled.training import experiment

            with run.claimed():
                experiment.train(config, run, overrides=list(words))
            self.predictor_ = Predictor(run)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """Return the label of each sequence, (n,)."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the probability of each class, (n, c), in the order of `classes_`."""
        check_is_fitted(self)
        x = self._unlabelled(X)
        with quiet(verbose=self.verbose):
            probabilities = self.predictor_.predict(x).probabilities.astype(np.float64)
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))

    def _labelled(self, x: Any, y: Any) -> tuple[list[npt.NDArray[np.float64]], Any]:
        """Return the sequences and labels of `fit`, as scikit-learn checks them."""
        if is_list(x):
            if y is None:
                raise ValueError(
                    "RecurrentClassifier requires y to be passed, but the target y is None"
                )
            self.__dict__.pop("n_features_in_", None)
            x, y = sequences_of(x, lengths=None, name="X"), np.asarray(y)
            check_consistent_length(x, y)
        else:
            x, y = validate_data(self, x, y, **self._rules(x))
            x = _sequences(x)
        check_classification_targets(y)
        return x, y

    def _unlabelled(self, x: Any) -> list[npt.NDArray[np.float64]]:
        """Return the sequences of `predict`."""
        if is_list(x):
            return sequences_of(x, lengths=None, name="X")
        if getattr(x, "ndim", 2) == 3 and hasattr(self, "n_features_in_"):
            x = np.asarray(x)
            return _sequences(validate_data(self, x, reset=False, skip_check_array=True))
        return _sequences(validate_data(self, x, reset=False, **self._rules(x)))

    def _rules(self, x: Any) -> dict[str, Any]:
        fills = any(word.startswith("data.missing=") for word in self.overrides)
        return {
            "dtype": np.float64,
            "allow_nd": getattr(x, "ndim", 2) == 3,
            "ensure_all_finite": "allow-nan" if fills else True,
        }

    def _words(self) -> list[str]:
        """Return the settings of a run; those of the user come last."""
        if isinstance(self.overrides, str):
            raise ConfigError(f'overrides={self.overrides}: need a list, ("{self.overrides}",)')
        typed = quote_names(list(self.overrides))
        keys = {word.lstrip("+~").split("=")[0] for word in typed}
        if wrong := sorted(keys & {"data", "seed", "-m", "--multirun"}):
            raise ConfigError(
                f"overrides: {wrong[0]} cannot be set here; use random_state for the seed, and "
                "fit(X, y) for the data"
            )
        if "data.test_fold" in keys:
            raise ConfigError("overrides: use cross_val_score in place of data.test_fold")
        usual = {"data": "arrays", **USUAL, "model": self.model, "recipe": self.recipe}
        return [
            *(f"{key}={value}" for key, value in usual.items() if value and key not in keys),
            *typed,
        ]

    def _seed(self, usual: int) -> int:
        if self.random_state is None:
            return usual
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(LARGEST_SEED))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn can expect of this estimator."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = any(word.startswith("data.missing=") for word in self.overrides)
        return tags


def composed(words: tuple[str, ...], working_folder: Path) -> tuple[DictConfig, str | None]:
    """Return a copy of the checked config of these settings, and the folder that they choose.

    working_folder: in which `data` and `model` options may lie.

    Raises:
        ConfigError: a setting is wrong.
    """
    config, folder = _composed(words, working_folder)
    return config.copy(), folder


@lru_cache(maxsize=32)
def _composed(words: tuple[str, ...], working_folder: Path) -> tuple[DictConfig, str | None]:
    whole = compose_config(list(words))
    config = without_hydra(whole)
    check_config(config)
    if is_compound(config):
        part_configs(config, overrides=list(words))
    keeps = any(word.startswith("hydra.run.dir=") for word in words)
    return config, str(whole.hydra.run.dir) if keeps else None


def is_list(x: Any) -> bool:
    """Return whether x is a list of sequences and not an array, or a list of rows of numbers."""
    is_listed = isinstance(x, list | tuple) or (
        isinstance(x, np.ndarray) and x.dtype == object and x.ndim == 1
    )
    if not is_listed or not len(x):
        return False
    if any(getattr(part, "ndim", 0) == 2 or hasattr(part, "detach") for part in x):
        return True
    sizes = {len(part) if hasattr(part, "__len__") else -1 for part in x}
    return sizes != {-1} and (len(sizes) > 1 or _depth(x[0]) == 2)


def _depth(part: Any) -> int:
    return 1 + _depth(part[0]) if isinstance(part, list | tuple) and part else 0


def _sequences(x: npt.NDArray[Any]) -> list[npt.NDArray[np.float64]]:
    return list(x[:, :, None] if x.ndim == 2 else x)


def _hide_displays(config: DictConfig) -> None:
    config.trainer.enable_progress_bar = False
    with open_dict(config):
        for name in DISPLAYS:
            (config.callbacks or {}).pop(name, None)


@contextmanager
def _folder(kept: str | None) -> Iterator[RunFolder]:
    """Yield a run folder that is kept, or a temporary one."""
    if kept is not None:
        yield RunFolder(kept)
        return
    with tempfile.TemporaryDirectory(prefix="unrolled-", ignore_cleanup_errors=True) as path:
        yield RunFolder(path)
