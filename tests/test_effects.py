"""A typed setting that would have no effect is refused, with what it needs."""

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf, open_dict

from conftest import CONF, compose, with_option
from unrolled.cli import run
from unrolled.config.effects import UNUSED, check_effects
from unrolled.errors import ConfigError

# By key: words with which it has no effect, and words with which it has.
CASES = {
    "data.permutation": (["data.permutation=3"], ["data.layout=permuted"]),
    "data.pixels_per_step": (["data.pixels_per_step=2"], ["data.layout=pixels"]),
    "data.truncate": (["data.truncate=head"], ["data.max_length=5"]),
    "data.noise_seed": (["data.noise_seed=3"], ["data.noise_steps=5"]),
    "data.val_size": (["data.val_size=0.2", "data.fold=1"], ["data.fold=null"]),
    "data.test_size": (["data.test_size=0.2", "data.test_fold=1"], ["data.test_fold=null"]),
    "data.refit": (["data.refit=false"], ["data.test_fold=all"]),
    "data.causal": (["data.causal=true"], ["data.per_sequence=true"]),
    "calibration": (
        ["calibration=temperature", "trainer.limit_val_batches=0"],
        ["trainer.limit_val_batches=1.0"],
    ),
    "stem": (["stem=conv", "model=minirocket"], ["model=gru"]),
    "trainer.gradient_clip_algorithm": (
        ["trainer.gradient_clip_algorithm=value", "trainer.gradient_clip_val=null"],
        ["trainer.gradient_clip_val=1"],
    ),
    "callbacks.early_stopping": (
        ["callbacks.early_stopping.patience=3", "trainer.limit_val_batches=0"],
        ["trainer.limit_val_batches=1.0"],
    ),
    "monitor.metric": (
        ["monitor.metric=val/f1", "trainer.limit_val_batches=0"],
        ["trainer.limit_val_batches=1.0"],
    ),
    "recipe.lr": (["recipe.lr=0.01", "optimizer=sgd"], ["optimizer=adam"]),
    "recipe.hidden_size": (["recipe.hidden_size=8", "model=lru"], ["model=gru"]),
    "model.recipe.lr": (["model.recipe.lr=0.01", "recipe=shared"], ["recipe=own"]),
    "data.recipe.max_epochs": (
        ["data.recipe.max_epochs=3", "trainer.max_epochs=5"],
        ["trainer.max_epochs=${recipe.max_epochs}"],
    ),
}


def config_of(words: list[str]) -> DictConfig:
    """Return what `compose(*words)` returns, in a tenth of the time."""
    config = compose()
    for word in words:
        key, _, value = word.partition("=")
        with open_dict(config):
            if "." in key or not (CONF / key).is_dir():
                OmegaConf.update(config, key, yaml.safe_load(value))
            else:
                config[key] = with_option(key, value)[key]
    return config


def test_every_rule_has_a_case() -> None:
    assert UNUSED.keys() <= CASES.keys()


@pytest.mark.parametrize(("without", "needed"), CASES.values(), ids=CASES)
def test_a_setting_without_effect_is_refused(without: list[str], needed: list[str]) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_effects(config_of(without), without)
    assert str(refusal.value).startswith(without[0])

    check_effects(config_of([*without, *needed]), [*without, *needed])


@pytest.mark.parametrize("word", ["sweep.keep=best", "hydra.sweep.dir=x", "hydra/launcher=basic"])
def test_a_setting_of_a_sweep_needs_a_sweep(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", word]) == 2
    assert f"{word}: this is a setting of a sweep; unrolled train -m" in capsys.readouterr().err
