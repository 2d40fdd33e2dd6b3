"""Balanced accuracy from the counts of a confusion matrix. Brodersen et al. (2010), section 2."""

from jaxtyping import Float, Int
from torch import Tensor


def balanced_accuracy(confusion: Int[Tensor, "c c"]) -> Float[Tensor, ""]:
    """Return the mean recall of the classes that occur, between 0 and 1.

    confusion: number of sequences by true class (row) and predicted class (column).

    A class without sequences is left out, as in scikit-learn; torchmetrics counts it as 0 if it is
    predicted.
    """
    recalls = confusion.diagonal() / confusion.sum(dim=1)
    return recalls.nanmean()
