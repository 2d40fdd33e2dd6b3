"""Labels that are no classes: continuous numbers, and lists of classes."""

import re
from collections import Counter
from collections.abc import Collection

from unrolled.data.files.tabular import is_number
from unrolled.data.files.words import different
from unrolled.errors import DataError

ONLY_CLASSES = (
    "unrolled predicts one class per sequence or window. Regression is out of scope; divide the "
    "numbers into classes, such as low and high"
)
MULTI_LABEL = (
    "unrolled predicts one class per sequence or window. Several labels at once are out of scope; "
    "train a run for each label, with a column that holds yes or no"
)
MOST_NUMBERS = 20  # different numbers that can be classes
LIST = re.compile(r"\[.*\]|\{.*\}|\(.*,.*\)", re.DOTALL)


def refuse_other_tasks(labels: Collection[str], path: object, *, num_labels: int) -> None:
    """Check that labels can be classes.

    labels: of the sequences or rows; each is needed once only.
    num_labels: of all sequences or rows.

    Raises:
        DataError: they are continuous numbers or lists of classes.
    """
    names = different(labels)
    if all(map(is_number, names)):
        are_whole = all(float(name).is_integer() for name in names)
        are_many = len(names) > MOST_NUMBERS
        are_rare = len(names) > 2 and 2 * len(names) > num_labels
        if (are_many and are_rare) or (not are_whole and (are_many or are_rare)):
            some = ", ".join(sorted(names)[:3])
            raise DataError(
                f"{path}: the label has {len(names)} different numbers, such as {some}. "
                f"{ONLY_CLASSES}"
            )
        return
    if lists := _lists(names):
        raise DataError(f"{path}: the label {lists[0]!r} is a list. {MULTI_LABEL}")


def _lists(names: set[str]) -> list[str]:
    """Return the labels that list several classes, such as `[a, b]`, or `a|b` next to `a` and `b`.

    Of words with a separator, all have to occur in another label too.
    """
    bracketed = sorted(name for name in names if LIST.fullmatch(name))
    if len(bracketed) == len(names):
        return bracketed
    parts = {name: {part.strip() for part in re.split(r"[|;,]", name)} for name in names}
    combined = sorted(name for name in names if len(parts[name]) > 1)
    if not combined or len(combined) == len(names):
        return []
    every = Counter(part for some in parts.values() for part in some)
    return combined if all(every[part] > 1 for name in combined for part in parts[name]) else []
