"""Experiments that reproduce a publication build networks of the published size."""

import pytest

from conftest import compose
from unrolled.training.trainer import build_classifier

PIXELS = {"num_features": 1, "num_steps": 784, "num_classes": 10}


MNIST1D = {"num_features": 1, "num_steps": 40, "num_classes": 10}


def num_parameters(experiment: str, sizes: dict[str, int] = PIXELS) -> int:
    config = compose(f"experiment={experiment}")
    classifier = build_classifier(config, **sizes, class_weights=None)
    return sum(parameter.numel() for parameter in classifier.parameters())


@pytest.mark.parametrize(
    ("experiment", "published"),
    [("mnist_permuted_lmu", 102_027), ("mnist_permuted_lmu_fft", 166_092)],
)
def test_a_network_has_the_published_number_of_parameters(experiment: str, published: int) -> None:
    assert num_parameters(experiment) == published


@pytest.mark.parametrize(
    ("experiment", "thousands"), [("mnist_pixels_lem", 68), ("mnist_pixels_cornn", 134)]
)
def test_a_network_has_about_the_published_number_of_parameters(
    experiment: str, thousands: int
) -> None:
    assert round(num_parameters(experiment) / 1000) == thousands


@pytest.mark.parametrize(
    ("network", "published"), [("logistic", 410), ("mlp", 15_210), ("cnn", 5_210), ("gru", 5_134)]
)
def test_an_mnist1d_network_has_the_number_of_parameters_in_the_authors_notebook(
    network: str, published: int
) -> None:
    assert num_parameters(f"mnist1d_{network}", MNIST1D) == published
