"""Text that OmegaConf takes as it is: names of files and columns may contain `${x}` or be `???`."""

import re
from typing import Any

MISSING = "???"  # OmegaConf's word for a value that has to be typed


def literal(text: str) -> str:
    r"""Return the text in a form that resolves to itself, for example `\${x}` for `${x}`."""
    if text == MISSING:
        return "${oc.decode:???}"
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def literal_values(values: Any) -> Any:
    """Return nested plain values with every text in a form that resolves to itself."""
    if isinstance(values, dict):
        return {key: literal_values(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [literal_values(value) for value in values]
    return literal(values) if isinstance(values, str) else values
