"""What `recipe=small` computes from the sizes of the training set."""

from dataclasses import asdict, dataclass
from typing import Any

SMALL = 500  # sequences; with fewer, nothing is selected on a validation set

GRID = 256  # steps of the longest sequence after the first convolution
POOLED = 48  # steps of the longest sequence that the recurrent part reads
BATCH_SIZE = 16
MIN_STEPS, MAX_STEPS = 600, 1_200  # optimizer steps of a small training set
EPOCHS = 40  # the number of epochs between these two limits, and for larger training sets
STEPS_PER_EPOCH = 125  # beyond them, the batch size grows instead, up to LARGEST_BATCH
LARGEST_BATCH = 256
VAL_SIZE, TEST_SIZE = 0.1, 0.2  # of a larger training set


@dataclass(frozen=True)
class SmallRecipe:
    """The values that the recipe computes.

    stride: of the first convolution, in steps of the data.
    pool: steps after the convolutions that are averaged into one step of the recurrent part.
    batch_size: sequences.
    max_steps: optimizer steps of the whole run, or -1: the run ends after max_epochs.
    max_epochs: epochs of the whole run, or -1: the run ends after max_steps.
    val_size: fraction of the sequences that selects the weights, or 0: the last weights are used.
    """

    stride: int
    pool: int
    batch_size: int
    max_steps: int
    max_epochs: int
    val_size: float

    @property
    def length(self) -> str:
        """The length of the run in words."""
        if self.max_steps == -1:
            return f"{self.max_epochs} epochs in batches of {self.batch_size}"
        return f"{self.max_steps} steps of {self.batch_size}"

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for result.json."""
        return asdict(self)


def small_recipe(num_sequences: int, num_steps: int) -> SmallRecipe:
    """Return the values for a training set.

    num_sequences: training and validation sequences (n), >= 1.
    num_steps: steps of the longest of them (t), >= 1.

    The numbers of features and of classes have no influence.
    """
    stride, pool = stride_and_pool(num_steps)
    val_size = usual_val_size(num_sequences)
    if not val_size:
        steps = round(EPOCHS * num_sequences / BATCH_SIZE)
        steps = min(MAX_STEPS, max(MIN_STEPS, steps))
        return SmallRecipe(stride, pool, min(BATCH_SIZE, num_sequences), steps, -1, val_size)
    batch_size = BATCH_SIZE
    while batch_size < LARGEST_BATCH and num_sequences > STEPS_PER_EPOCH * batch_size:
        batch_size *= 2
    return SmallRecipe(stride, pool, batch_size, -1, EPOCHS, val_size)


def usual_val_size(num_sequences: int) -> float:
    """Return the fraction of n sequences that selects the weights, or 0 if nothing is selected."""
    return 0.0 if num_sequences < SMALL else VAL_SIZE


def stride_and_pool(num_steps: int, *, stride: int | None = None) -> tuple[int, int]:
    """Return the stride of the first convolution, and the steps that are averaged after the last.

    After it, the longest sequence has about 256 steps, or fewer than 384, and after the mean about
    48, or fewer than 72.

    num_steps: steps of the longest training sequence, >= 1.
    stride: a given stride, >= 1, or None.
    """
    if stride is None:
        stride = max(1, round(num_steps / GRID))
    return stride, max(1, round(num_steps / stride / POOLED))
