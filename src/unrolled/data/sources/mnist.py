"""MNIST: 70,000 handwritten digits of 28 x 28 pixels. LeCun, Bottou, Bengio & Haffner (1998)."""

from unrolled.data.sources.idx_images import IdxImages
from unrolled.data.sources.published import MNIST_FILES


class MNIST(IdxImages):
    """60,000 training and 10,000 test images as sequences of 28 rows of 28 pixels.

    dir: see IdxImages.
    """

    files = MNIST_FILES
    class_names = tuple(str(digit) for digit in range(10))
