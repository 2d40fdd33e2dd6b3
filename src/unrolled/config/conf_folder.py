"""The folder of Hydra's config files."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parents[1] / "conf"
CONF = _CHECKOUT if (_CHECKOUT / "train.yaml").is_file() else _PACKAGE / "conf"
