"""Settings of `unrolled bench`: the defaults of conf/bench.yaml, and what is typed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from unrolled.config.conf_folder import CONF
from unrolled.errors import ConfigError, did_you_mean

PARTS = ("steps", "inference", "loop", "length", "startup", "reading", "predict", "threads")
LISTS = ("parts", "models", "shapes", "lengths", "loop")
COUNTS = {"num_sequences": 100, "num_threads": 1, "pairs": 2, "startup_pairs": 2}  # smallest


class Shape(NamedTuple):
    """Sizes of a batch and of a layer: t steps, b sequences, d features, h units."""

    t: int
    b: int
    d: int
    h: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


@dataclass(frozen=True)
class Settings:
    """The keys of conf/bench.yaml, checked."""

    parts: tuple[str, ...]
    models: tuple[str, ...]
    shapes: tuple[str, ...]
    lengths: tuple[int, ...]
    length_shape: str
    loop: tuple[str, ...]
    num_sequences: int
    num_threads: int
    keep_memory: bool
    pairs: int
    startup_pairs: int
    output: str | None
    compare: str | None
    new: str | None

    def step_shapes(self) -> list[Shape]:
        """Return the shapes of steps, inference and threads."""
        return [Shape(*_sizes("shapes", text, 4)) for text in self.shapes]

    def length_shapes(self) -> list[Shape]:
        """Return the shapes of length, one per number of steps."""
        sizes = _sizes("length_shape", self.length_shape, 3)
        return [Shape(num_steps, *sizes) for num_steps in self.lengths]

    def measured(self) -> dict[str, Any]:
        """Return the settings that decide what is measured, as plain values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if key not in ("output", "compare", "new")
        }


def read_settings(arguments: Sequence[str], *, recorded: Mapping[str, Any]) -> Settings:
    """Return the defaults, replaced by recorded settings, and these by what is typed.

    arguments: words of the command line, such as pairs=11 or parts=[steps,length].
    recorded: `Settings.measured` of an earlier bench, or nothing.

    Raises:
        ConfigError: an unknown key, or a value that does not fit.
    """
    values: dict[str, Any] = OmegaConf.to_container(OmegaConf.load(CONF / "bench.yaml"))  # type: ignore[assignment]
    known = list(values)
    values |= {key: value for key, value in recorded.items() if key in values}
    values |= typed(arguments, known)
    for key in LISTS:
        values[key] = tuple(_items(key, values[key]))
    for key, smallest in COUNTS.items():
        _require_count(key, values[key], smallest=smallest)
    for steps in values["lengths"]:
        _require_count("lengths", steps, smallest=1)
    if not isinstance(values["keep_memory"], bool):
        raise ConfigError(f"keep_memory={values['keep_memory']}: need true or false")
    for part in values["parts"]:
        if part not in PARTS:
            hint = did_you_mean(str(part), PARTS)
            raise ConfigError(f"parts: {part!r} is not one of {', '.join(PARTS)}{hint}")
    if values["new"] is not None and values["compare"] is None:
        raise ConfigError(f"new={values['new']} needs compare=FILE, the earlier bench.json")
    settings = Settings(**values)
    settings.step_shapes()
    settings.length_shapes()
    return settings


def typed(arguments: Sequence[str], known: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the values that are typed, by key.

    known: the keys that exist, or None to check nothing.

    Raises:
        ConfigError: a word is not key=value, or its key does not exist.
    """
    for word in arguments:
        key, equals, _ = word.partition("=")
        if not equals or (known is not None and key not in known):
            hint = "" if known is None else did_you_mean(key, known)
            raise ConfigError(
                f"bench takes key=value, for example parts=[steps] pairs=11; got {word!r}{hint}"
            )
    try:
        found = OmegaConf.to_container(OmegaConf.from_dotlist(list(arguments)))
    except (OmegaConfBaseException, ValueError) as error:
        raise ConfigError(f"bench: {error}") from error
    return {str(key): value for key, value in dict(found).items()}  # type: ignore[arg-type]


def _items(key: str, value: Any) -> list[Any]:
    items = value.split(",") if isinstance(value, str) else value
    items = [items] if isinstance(items, int) else items
    if not isinstance(items, list | tuple) or not items:
        raise ConfigError(f"{key}={value}: need a list, for example {key}=[a,b]")
    return list(items)


def _require_count(key: str, value: Any, *, smallest: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
        raise ConfigError(f"{key}={value}: need a whole number >= {smallest}")


def _sizes(key: str, text: Any, num: int) -> list[int]:
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", str(text)) or str(text).count("x") != num - 1:
        example = "28x100x28x128" if num == 4 else "32x8x128"
        raise ConfigError(f"{key}={text}: need {num} sizes, for example {example}")
    return [int(size) for size in str(text).split("x")]
