"""Draws sequences in proportion to the classes.

Selects the same rows in the same order as `sklearn.model_selection.train_test_split` with
`stratify` and `random_state`. scikit-learn collects the rows in lists of Python integers, which
takes four times as long for many sequences. `RandomState` is the generator that it uses, and NumPy
keeps its numbers the same in all versions.
"""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def draw_stratified(y: Rows, *, num_held: int, seed: int) -> tuple[Rows, Rows]:
    """Return the rows to keep and the rows to hold out; both have each class in proportion.

    y: class of each row, (n,).
    num_held: rows to hold out, 0 < num_held < n.
    seed: 0 <= seed < 2^32.

    Raises:
        ValueError: a class has a single row, or one of the two sets is smaller than the number of
            classes.
    """
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    num_kept = len(y) - num_held
    if counts.min() < 2 or min(num_kept, num_held) < len(counts):
        raise ValueError(f"{len(counts)} classes with {counts.min()} rows or more")
    rng = np.random.RandomState(seed)
    by_class = np.split(np.argsort(codes, kind="stable"), counts.cumsum()[:-1])
    num_kept_of = _in_proportion(counts, num_kept, rng)
    num_held_of = _in_proportion(counts - num_kept_of, num_held, rng)
    kept, held = [], []
    for rows, first, second in zip(by_class, num_kept_of, num_held_of, strict=True):
        shuffled = rows[rng.permutation(len(rows))]
        kept.append(shuffled[:first])
        held.append(shuffled[first : first + second])
    return rng.permutation(np.concatenate(kept)), rng.permutation(np.concatenate(held))


def _in_proportion(counts: Rows, num: int, rng: np.random.RandomState) -> Rows:
    """Return how many rows each class gets of num rows; largest remainders are rounded up.

    Classes with equal remainders are rounded up in a random order.
    """
    exact = counts / counts.sum() * num
    shares = np.floor(exact)
    num_left = int(num - shares.sum())
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        if not num_left:
            break
        (tied,) = np.where(remainders == remainder)
        chosen = rng.choice(tied, size=min(len(tied), num_left), replace=False)
        shares[chosen] += 1
        num_left -= len(chosen)
    rounded: Rows = shares.astype(np.int64)
    return rounded
