"""Fashion-MNIST: 70,000 articles of clothing in MNIST's format. Xiao, Rasul & Vollgraf (2017)."""

from unrolled.data.sources.idx_images import IdxImages
from unrolled.data.sources.published import FASHION_MNIST_FILES


class FashionMNIST(IdxImages):
    """60,000 training and 10,000 test images as sequences of 28 rows of 28 pixels.

    dir: see IdxImages.
    """

    files = FASHION_MNIST_FILES
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
