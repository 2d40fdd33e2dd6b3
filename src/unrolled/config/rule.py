"""The kind of value that a key of the config may have."""

import math
import re
from typing import Any, NamedTuple, Optional

LARGEST = 2**63 - 1  # a whole number of torch


class Rule(NamedTuple):
    """The values that a key may have.

    types: of numbers and flags. Numbers are finite, and whole ones at most 2^63 - 1.
    low, high: range of a number; whether the ends are allowed is low_allowed and high_allowed.
    max_fraction: largest number that need not be whole, for sizes that are a fraction or a count.
    words: further values that are allowed.
    pattern: regular expression of further words.
    noun: what the pattern describes, for messages, for example "a path".
    optional: whether null is allowed.
    items: of a list, which is allowed if this is not None; each item obeys this rule.
    num_items: smallest and largest number of items.
    """

    types: tuple[type, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    low_allowed: bool = True
    high_allowed: bool = True
    max_fraction: float = math.inf
    words: tuple[str | int, ...] = ()
    pattern: str = "(?!)"
    noun: str = ""
    optional: bool = False
    items: Optional["Rule"] = None
    num_items: tuple[int, float] = (1, math.inf)

    def broken_by(self, value: Any) -> bool:
        """Return whether the value is not allowed."""
        if value is None:
            return not self.optional
        if isinstance(value, list):
            fewest, most = self.num_items
            if self.items is None or not fewest <= len(value) <= most:
                return True
            return any(map(self.items.broken_by, value))
        if isinstance(value, bool):
            return bool not in self.types
        if isinstance(value, str):
            return value not in self.words and not re.fullmatch(self.pattern, value, re.DOTALL)
        if not isinstance(value, int | float):
            return True
        return value not in self.words and self._number_broken_by(value)

    def _number_broken_by(self, value: float) -> bool:
        if not isinstance(value, self.types) or is_too_large(value):
            return True
        too_low = value < self.low or (value == self.low and not self.low_allowed)
        too_high = value > self.high or (value == self.high and not self.high_allowed)
        fractional = value > self.max_fraction and not isinstance(value, int)
        return too_low or too_high or fractional or value != value

    def __str__(self) -> str:
        allowed = list(dict.fromkeys(map(str, self.words)))
        if self.noun:
            allowed.append(self.noun)
        if bool in self.types:
            allowed += ["true", "false"]
        if set(self.types) & {int, float}:
            allowed.append(self._number())
        if self.items is not None:
            most = self.num_items[1]
            size = f" of {most} items" if most < math.inf else ""
            allowed.append(f"a list{size} (each item {self.items})")
        return _joined([*allowed, "null"] if self.optional else allowed)

    def _number(self) -> str:
        if self.max_fraction < math.inf:
            low, high = ">=" if self.low_allowed else ">", "<" if self.max_fraction < 1 else "<="
            return f"a fraction {low} {self.low:g} and {high} 1 or a whole number"
        text = "a whole number" if float not in self.types else "a number"
        if self.low > -math.inf:
            text += f" {'>=' if self.low_allowed else '>'} {self.low:g}"
        if self.high < math.inf and self.high != LARGEST:
            joint = " and" if self.low > -math.inf else ""
            text += f"{joint} {'<=' if self.high_allowed else '<'} {self.high:g}"
        return text


def is_too_large(value: object) -> bool:
    """Return whether the value is an infinite number, or a whole one that torch cannot hold."""
    if isinstance(value, int):
        return abs(value) > LARGEST
    return isinstance(value, float) and math.isinf(value)


def _joined(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[:-1] else words)
