"""MNIST: 70,000 handwritten digits of 28 x 28 pixels. LeCun, Bottou, Bengio & Haffner (1998)."""

from unrolled.data.sources.idx_images import IdxImages


class MNIST(IdxImages):
    """60,000 training and 10,000 test images as sequences of 28 rows of 28 pixels.

    dir: see IdxImages.
    """

    name = "mnist"
    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    sha256 = {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
    class_names = tuple(str(digit) for digit in range(10))
