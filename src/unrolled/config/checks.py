"""What is refused from the composed config alone, before torch is imported."""

import ctypes
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unrolled.errors import ConfigError, did_you_mean

GPU_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
ALLOWED_TARGETS = ("unrolled.", "torch.", "lightning.", "torchmetrics.")


class Rule(NamedTuple):
    """What the value of a key must be."""

    types: tuple[type, ...]
    low: float = float("-inf")
    high: float = float("inf")
    low_allowed: bool = True
    high_allowed: bool = True
    words: tuple[str, ...] = ()
    optional: bool = False
    pattern: str = "(?!)"  # of further words
    example: str = ""  # of the pattern

    def broken_by(self, value: Any) -> bool:
        """Return whether the value is not allowed."""
        if value is None:
            return not self.optional
        if isinstance(value, str):
            return value not in self.words and not re.fullmatch(self.pattern, value)
        if isinstance(value, bool) or bool in self.types:
            return not (isinstance(value, bool) and bool in self.types)
        if not isinstance(value, int | float) or not isinstance(value, self.types):
            return True
        too_low = value < self.low or (value == self.low and not self.low_allowed)
        too_high = value > self.high or (value == self.high and not self.high_allowed)
        return too_low or too_high or value != value

    def __str__(self) -> str:
        choices = [*self.words, *([f"like {self.example}"] if self.example else [])]
        if bool in self.types:
            choices += ["true", "false"]
        elif self.types:
            number = "a whole number" if float not in self.types else "a number"
            if self.low > float("-inf"):
                number += f" {'>=' if self.low_allowed else '>'} {self.low:g}"
            if self.high < float("inf"):
                joint = " and" if self.low > float("-inf") else ""
                number += f"{joint} {'<=' if self.high_allowed else '<'} {self.high:g}"
            choices.append(number)
        if self.optional:
            choices.append("null")
        return " or ".join([", ".join(choices[:-1]), choices[-1]] if choices[:-1] else choices)


COUNT = Rule((int,), low=1)
SEED = Rule((int,), low=0, high=2**63 - 1)
FRACTION = Rule((int, float), low=0, high=1, high_allowed=False)
POSITIVE = Rule((int, float), low=0, low_allowed=False)
NOT_NEGATIVE = Rule((int, float), low=0)
FLAG = Rule((bool,))

RULES = {
    "seed": SEED,
    "num_threads": Rule((int,), low=1, optional=True),
    "keep_memory": FLAG,
    "test": FLAG,
    "monitor.metric": Rule(
        (),
        words=(
            "val/loss",
            "val/accuracy",
            "val/f1",
            "val/calibration_error",
            "val/vote_loss",
            "val/vote_accuracy",
            "val/vote_f1",
        ),
    ),
    "checkpoint.every_minutes": Rule((int, float), low=0, low_allowed=False, optional=True),
    "checkpoint.every_n_steps": Rule((int,), low=1, optional=True),
    "monitor.mode": Rule((), words=("min", "max")),
    "sweep.keep": Rule((), words=("all", "best", "none")),
    "sweep.fail_fast": FLAG,
    "sweep.num_trials": COUNT,
    "sweep.seed": SEED,
    "sweep.startup_trials": SEED,
    "sweep.trials_at_once": COUNT,
    "callbacks.pruning.startup_trials": SEED,
    "callbacks.pruning.warmup_epochs": SEED,
    "data.layout": Rule((), words=("rows", "columns", "pixels", "permuted")),
    "data.permutation": Rule((int,), low=0, words=("torch_5544", "numpy_92916")),
    "data.pixels_per_step": COUNT,
    "data.max_length": Rule((int,), low=1, optional=True),
    "data.truncate": Rule((), words=("head", "tail")),
    "data.split": Rule((), words=("stratified", "random", "group", "time", "given")),
    "data.split_seed": SEED,
    "data.val_size": NOT_NEGATIVE,
    "data.test_size": NOT_NEGATIVE,
    "data.fold": Rule((int,), low=0, optional=True),
    "data.num_folds": Rule((int,), low=2),
    "data.standardize": Rule((), words=("none", "global", "feature")),
    "data.noise_steps": SEED,
    "data.noise_seed": SEED,
    "data.window.size": Rule((int,), low=1, optional=True),
    "data.window.stride": Rule((int,), low=1, optional=True),
    "data.window.label": Rule((), words=("refuse", "last", "majority", "any")),
    "data.batch_size": COUNT,
    "data.eval_batch_size": COUNT,
    "data.shuffle": FLAG,
    "data.bucket_batches": COUNT,
    "data.curriculum_epochs": SEED,
    "data.form": Rule((), words=("long", "wide"), optional=True),
    "data.time_feature": FLAG,
    "data.resample": Rule(
        (int, float),
        low=0,
        low_allowed=False,
        optional=True,
        pattern=r"(\d+(\.\d+)?\s*[A-Za-z]+\s*)+",
        example="10s",
    ),
    "data.missing": Rule((), words=("refuse", "forward", "mean", "mask")),
    "data.device_share": Rule((int, float), low=0, high=1),
    "model.hidden_size": COUNT,
    "model.num_layers": COUNT,
    "model.bidirectional": FLAG,
    "model.parameter_budget": Rule(
        (int,), low=1, optional=True, pattern=r"\d+(\.\d+)?[kM]", example="70k"
    ),
    "model.residual": FLAG,
    "model.mixing": FLAG,
    "model.conv_size": SEED,
    "model.recurrent_lr_scale": POSITIVE,
    "model.num_heads": COUNT,
    "model.layer.num_heads": COUNT,
    "model.kernel_size": Rule((int,), low=2),
    "model.layer.state_size": COUNT,
    "model.layer.order": COUNT,
    "model.layer.window": Rule((int, float), low=0, low_allowed=False, optional=True),
    "model.layer.dt": POSITIVE,
    "model.dropout": FRACTION,
    "model.learn_initial_state": FLAG,
    "model.initialization": Rule((), words=("torch", "orthogonal", "identity", "irnn")),
    "model.chrono_steps": Rule((int,), low=3, optional=True),
    "model.layer.forget_bias": Rule((int, float), optional=True),
    "model.layer.nonlinearity": Rule((), words=("tanh", "relu")),
    "head.dropout": FRACTION,
    "head.initialization": Rule((), words=("small", "torch")),
    "head.attention_size": COUNT,
    "head.num_steps": COUNT,
    "head.stride": COUNT,
    "loss.label_smoothing": FRACTION,
    "optimizer.lr": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "scheduler.warmup": FRACTION,
    "scheduler.final_factor": Rule((int, float), low=0, high=1),
    "scheduler.factor": POSITIVE,
    "scheduler.patience": SEED,
    "trainer.accelerator": Rule((), words=("auto", "cpu", "gpu", "cuda", "mps", "tpu")),
    "trainer.max_epochs": Rule((int,), low=-1, optional=True),
    "trainer.max_steps": Rule((int,), low=-1),
    "trainer.accumulate_grad_batches": COUNT,
    "trainer.gradient_clip_val": Rule((int, float), low=0, optional=True),
    "callbacks.early_stopping.patience": SEED,
    "callbacks.watchdog.minutes": POSITIVE,
    "callbacks.progress.style": Rule((), words=("auto", "bar", "lines")),
}


def check_config(config: DictConfig) -> None:
    """Refuse values of the wrong type or range, missing ones, and targets that are not ours.

    Raises:
        ConfigError: names key, value and what is expected.
    """
    for key, value in _leaves(config):
        if key.rsplit(".", 1)[-1] == "_target_":
            _check_target(key, value)
        rule = RULES.get(key)
        if rule is not None and rule.broken_by(value):
            hint = did_you_mean(value, rule.words) if isinstance(value, str) else ""
            raise ConfigError(f"{key}={value}: need {rule}{hint}")
    _check_length(config.trainer)
    _check_curriculum(config.data)
    _check_accelerator(config.trainer.accelerator)


def _check_length(trainer: DictConfig) -> None:
    """Refuse a run without an end that is known when it starts: schedules count back from it."""
    if trainer.max_epochs in (None, -1) and trainer.max_steps == -1:
        raise ConfigError(
            f"trainer.max_epochs={trainer.max_epochs}: need an end, in epochs or in "
            "trainer.max_steps; trainer.max_time may end it earlier"
        )


def _check_curriculum(data: DictConfig) -> None:
    """Refuse a curriculum where the order is to stay as it is."""
    if data.curriculum_epochs and not data.shuffle:
        raise ConfigError(
            f"data.curriculum_epochs={data.curriculum_epochs}: a curriculum chooses the order, "
            "which data.shuffle=false keeps; data.shuffle=true or data.curriculum_epochs=0"
        )


def _check_accelerator(accelerator: str) -> None:
    """Refuse a GPU where no driver of one is installed; torch has the last word later."""
    if accelerator in ("gpu", "cuda") and not any(map(_loads, GPU_DRIVERS)):
        raise ConfigError(
            f"trainer.accelerator={accelerator}: there is no GPU driver on this machine; "
            "use trainer=cpu or trainer=auto"
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _check_target(key: str, value: object) -> None:
    if not isinstance(value, str) or not value.startswith(ALLOWED_TARGETS):
        raise ConfigError(
            f"{key}={value}: only classes of {', '.join(n[:-1] for n in ALLOWED_TARGETS)} are made"
        )


def _leaves(config: DictConfig) -> Iterator[tuple[str, Any]]:
    """Yield every dotted key with its resolved value."""
    for name in config:
        try:
            value = config[name]
        except OmegaConfBaseException as error:
            first_line = str(error).splitlines()[0]
            raise ConfigError(f"{config._get_full_key(name)}: {first_line}") from error
        key = config._get_full_key(name)
        if isinstance(value, DictConfig):
            yield from _leaves(value)
        else:
            yield key, OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def all_keys(config: DictConfig) -> list[str]:
    """Return every dotted key, groups included: what a mistyped override may have meant."""
    keys = []
    for name in config:
        key = config._get_full_key(name)
        keys.append(key)
        child = config._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_interpolation():
            keys.extend(all_keys(child))
    return keys
