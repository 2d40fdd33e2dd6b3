"""`unrolled check model=NAME [allow=PACKAGE] [key=value ...]`: check a network of your own.

It builds the network that `unrolled train` builds with the same settings, and checks it on random
sequences: that padding and other sequences of a batch change nothing, that chunks and single steps
equal the whole, that gradients are finite, and so on. No data is loaded and nothing is written. The
exit code is 0 if every check passes, and 1 if one fails.

  unrolled check model=my_cell allow=my_cells
"""

import inspect
from functools import partial
from typing import TYPE_CHECKING

from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from unrolled.commands.arguments import quote_names
from unrolled.config.checks import check_config
from unrolled.config.composition import compose_job, options_from, without_hydra
from unrolled.config.values import class_name, is_fitted
from unrolled.errors import ConfigError, ContractError, UnrolledError

if TYPE_CHECKING:
    from unrolled.checking.network_checks import Check

NUM_FEATURES, NUM_CLASSES = 5, 7


def run(arguments: list[str]) -> None:
    """Check the network of a config, and print a row per check.

    Raises:
        ConfigError: a setting is wrong.
        ContractError: a check has failed.
    """
    args = get_args_parser().parse_args(quote_names(arguments))
    flags = args.multirun or args.cfg or args.info or args.shell_completion or args.config_path
    if flags or args.config_name:
        raise ConfigError("check takes settings, such as model=my_cell, and --config-dir=DIR")
    with options_from(args.config_dir):
        config = without_hydra(compose_job(args.overrides)[0])
    check_config(config)
    if is_fitted(config) or config.ensemble is not None:
        reason = (
            f"ensemble={config.ensemble}"
            if config.ensemble is not None
            else f"model={class_name(config.model)}"
        )
        raise ConfigError(f"{reason}: check one network at a time, such as model=my_cell")
    rows = _carry_out(config)
    from unrolled.reports.terminal import show_checks

    show_checks(rows)
    failed = [name for name, result, _ in rows if result == "failed"]
    if failed:
        raise ContractError(f"{len(failed)} of {len(rows)} checks failed: {', '.join(failed)}")


def _carry_out(config: DictConfig) -> list[tuple[str, str, str]]:
    """Return a row per check: its name, passed, failed or skipped, and the reason."""
    import torch

    from unrolled.building.instantiation import NO_ARGUMENTS
    from unrolled.building.network import given_arguments, model_class, unchecked_network
    from unrolled.checking.contract import config_matches_the_constructor
    from unrolled.checking.network_checks import Check, network_checks
    from unrolled.checking.probe import NUM_STEPS

    torch.manual_seed(config.seed)

    def check_config_keys() -> None:
        parameters = inspect.signature(model_class(config)).parameters
        keys = {str(key) for key in config.model if not str(key).startswith("_")}
        config_matches_the_constructor(
            keys - set(NO_ARGUMENTS), given=given_arguments(config), parameters=parameters
        )

    rows = [_row(Check("the config matches the constructor", check_config_keys, ""))]
    built = []
    if rows[0][1] == "passed":
        build = partial(
            unchecked_network,
            config,
            num_features=NUM_FEATURES,
            num_steps=NUM_STEPS,
            num_classes=NUM_CLASSES,
        )
        rows.append(_row(Check("the network can be built", lambda: built.append(build()), "")))
    for network in built:
        checks = network_checks(
            network,
            num_features=NUM_FEATURES,
            encoder_features=network.stem.output.input_size,
            num_classes=NUM_CLASSES,
        )
        rows += map(_row, checks)
    return rows


def _row(check: "Check") -> tuple[str, str, str]:
    if check.skipped:
        return check.name, "skipped", check.skipped
    try:
        check.carry_out()
    except UnrolledError as error:
        return check.name, "failed", str(error)
    except Exception as error:  # noqa: BLE001 - of a module of the user; the other checks follow
        return check.name, "failed", f"{type(error).__name__}: {error}"
    return check.name, "passed", ""
