"""The colours of pages and figures, by name: on a light and on a dark screen.

Figures are drawn in the light colours. Where a figure is embedded in a page, the name of the colour
takes its place, so that the figure follows the page.
"""

import re

# All text has a contrast of at least 4.5 with the page, and lines one of at least 3 (WCAG 2.2 AA).
COLOURS = {
    "text": ("#1f2328", "#e6edf3"),
    "muted": ("#57606a", "#9da7b3"),
    "page": ("#ffffff", "#0d1117"),
    "panel": ("#f6f8fa", "#161b22"),
    "grid": ("#d0d7de", "#30363d"),
    "link": ("#0550ae", "#79b8ff"),
    "series-1": ("#0b62b8", "#6cb6ff"),
    "series-2": ("#b35900", "#f0a35e"),
    "series-3": ("#1a7f37", "#57c16b"),
    "series-4": ("#8250df", "#c297ff"),
    "series-5": ("#c4314b", "#ff8087"),
    "series-6": ("#0f7b7b", "#4fc9c9"),
    "series-7": ("#7d5a3c", "#c9a27e"),
    "series-8": ("#6e7781", "#8b949e"),
}
LIGHT = {name: light for name, (light, _) in COLOURS.items()}
SERIES = tuple(LIGHT[f"series-{number}"] for number in range(1, 9))
NAMES = {light: name for name, light in LIGHT.items()}


def css_variables() -> str:
    """Return the colours as CSS variables. Paper is always light."""
    light, dark = (
        "".join(f"--{name}:{pair[index]};" for name, pair in COLOURS.items()) for index in (0, 1)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )


def follow_page(svg: str) -> str:
    """Return a figure whose colours are the ones of the page that it is embedded in."""
    return re.sub(
        r"#[0-9a-f]{6}\b",
        lambda match: f"var(--{NAMES[match[0]]})" if match[0] in NAMES else match[0],
        svg,
    )
