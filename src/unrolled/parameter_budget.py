"""The size of a network whose number of parameters is given, so that comparisons are fair."""

from collections.abc import Callable

from unrolled.errors import ConfigError

UNITS = {"k": 1_000, "M": 1_000_000}


def parse_budget(budget: int | str) -> int:
    """Return 70000 for 70000, "70k" or "0.07M"."""
    if isinstance(budget, int):
        return budget
    return round(float(budget[:-1]) * UNITS[budget[-1]])


def largest_size(count: Callable[[int], int], *, budget: int, multiple_of: int) -> int:
    """Return the largest hidden size whose number of parameters is within the budget.

    count: hidden size -> parameters; grows with it.
    multiple_of: sizes that are possible are its multiples, >= 1.

    Raises:
        ConfigError: the smallest possible network is larger than the budget.
    """
    smallest = count(multiple_of)
    if smallest > budget:
        raise ConfigError(
            f"model.parameter_budget={budget}: the smallest such network, "
            f"model.hidden_size={multiple_of}, has {smallest} parameters"
        )
    low, high = 1, 2  # in multiples: low fits, high is not known to
    while count(high * multiple_of) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if count(middle * multiple_of) <= budget:
            low = middle
        else:
            high = middle
    return low * multiple_of
