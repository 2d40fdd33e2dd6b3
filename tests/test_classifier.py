"""Repeatability, metrics, loss, checkpoints and optimization of a run."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from lightning import Trainer
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
)
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from conftest import compose
from unrolled.classifier import mixup
from unrolled.classifier.balanced_accuracy import balanced_accuracy
from unrolled.classifier.module import SequenceClassifier
from unrolled.classifier.scores import compute_scores
from unrolled.contracts import Batch
from unrolled.data.module import SequenceDataModule
from unrolled.errors import ConfigError
from unrolled.runs.run_folder import RunFolder
from unrolled.training.trainer import build, build_classifier, load_classifier

Train = Callable[..., SimpleNamespace]

SMALL = (
    "model.hidden_size=16",
    "head.dropout=0",
    "data.batch_size=128",
    "trainer.max_epochs=2",
    "logger=none",
)
WITH_DROPOUT = (*SMALL, "model.num_layers=2", "model.dropout=0.3", "head.dropout=0.3")


# repeatability


def outcome(run: SimpleNamespace) -> tuple[Any, ...]:
    """Return what a seed determines: the scores and the bits of the final weights."""
    weights = run.folder.load_checkpoint(run.folder.last_checkpoint)["state_dict"]
    plain = {name: tensor.tolist() for name, tensor in weights.items()}
    return run.record["scores"], run.record["confusion"], plain


@pytest.fixture(scope="module")
def seeded(train_in: Train) -> dict[int, SimpleNamespace]:
    """A run with each of two seeds. Only to be read."""
    return {seed: train_in(*WITH_DROPOUT, f"seed={seed}") for seed in (0, 1)}


def test_the_same_seed_gives_bit_for_bit_the_same_scores(
    seeded: dict[int, SimpleNamespace], train_in: Train
) -> None:
    torch.manual_seed(999)
    np.random.seed(999)  # noqa: NPY002 - earlier draws must not matter
    other = train_in(*WITH_DROPOUT, "seed=0")
    assert outcome(seeded[0]) == outcome(other)


def test_seeds_0_and_1_give_other_scores(seeded: dict[int, SimpleNamespace]) -> None:
    one, other = (seeded[seed].record["scores"] for seed in (0, 1))
    assert one.keys() == other.keys()
    assert one["train/loss"] != other["train/loss"]
    assert one["test/loss"] != other["test/loss"]


def test_random_numbers_drawn_elsewhere_do_not_change_the_scores(
    monkeypatch: pytest.MonkeyPatch, seeded: dict[int, SimpleNamespace], train_in: Train
) -> None:
    monkeypatch.setattr(SequenceClassifier, "on_train_start", lambda self: torch.rand(7))
    other = train_in(*WITH_DROPOUT, "seed=1")
    assert outcome(seeded[1]) == outcome(other)


def test_each_batch_of_each_epoch_has_its_own_random_numbers(
    monkeypatch: pytest.MonkeyPatch, train_in: Train
) -> None:
    drawn = []
    original = SequenceClassifier.training_step

    def step(self: SequenceClassifier, batch: Batch, batch_idx: int) -> Tensor:
        drawn.append(float(torch.rand(())))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(SequenceClassifier, "training_step", step)
    train_in(*SMALL, "seed=0", "test=false")
    train_in(*SMALL, "seed=1", "test=false")
    assert len(set(drawn)) == len(drawn) > 40


# metrics


@pytest.fixture(scope="module")
def weighted_run(train_in: Train) -> SimpleNamespace:
    """A run whose training loss differs from the loss reported for validation and test."""
    return train_in(*SMALL, "loss.label_smoothing=0.1", "loss.class_weights=balanced")


def by_hand(run: SimpleNamespace, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and classes of a split, computed one sequence at a time."""
    data = build(run.config, run.folder).data
    sequences = getattr(data.parts, split)
    classifier = load_classifier(run.config, run.folder)
    with torch.no_grad():
        logits = torch.cat(
            [
                classifier(x[None], n[None])
                for x, n in zip(sequences.x, sequences.lengths, strict=True)
            ]
        )
    return logits.double().softmax(dim=1).numpy(), sequences.y.numpy()


def expected_calibration_error(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Guo et al. (2017), eq. 3, with 15 bins."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [
        abs(correct[bins == n].mean() - confidence[bins == n].mean()) * (bins == n).mean()
        for n in set(bins.tolist())
    ]
    return float(sum(gaps))


@pytest.mark.parametrize("part", ["val", "test"])
def test_every_score_equals_an_independent_computation(
    part: str, weighted_run: SimpleNamespace
) -> None:
    probabilities, y = by_hand(weighted_run, part)
    predicted = probabilities.argmax(axis=1)
    expected = {
        f"{part}/loss": log_loss(y, probabilities),
        f"{part}/accuracy": accuracy_score(y, predicted),
        f"{part}/balanced_accuracy": balanced_accuracy_score(y, predicted),
        f"{part}/f1": f1_score(y, predicted, average="macro"),
        f"{part}/calibration_error": expected_calibration_error(probabilities, y),
    }
    scores = weighted_run.record["scores"]
    assert {name: scores[name] for name in scores if name.startswith(part)} == pytest.approx(
        expected, rel=1e-4
    )


def test_balanced_accuracy_leaves_out_a_class_without_sequences() -> None:
    y, predicted = [0, 0, 0, 1], [0, 0, 2, 1]  # no sequence of class 2
    expected = np.mean([2 / 3, 1])
    counts = torch.from_numpy(confusion_matrix(y, predicted))
    assert float(balanced_accuracy(counts)) == pytest.approx(expected)


def test_the_confusion_matrix_has_true_classes_in_rows(weighted_run: SimpleNamespace) -> None:
    probabilities, y = by_hand(weighted_run, "test")
    expected = confusion_matrix(y, probabilities.argmax(axis=1))
    assert weighted_run.record["confusion"] == expected.tolist()


def test_the_evaluation_batch_size_changes_no_score(
    weighted_run: SimpleNamespace, train_in: Train
) -> None:
    other = train_in(
        *SMALL, "loss.label_smoothing=0.1", "loss.class_weights=balanced", "data.eval_batch_size=50"
    )
    assert other.record["scores"] == pytest.approx(weighted_run.record["scores"], rel=1e-5)


@pytest.fixture
def training_outputs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """Logits and classes of every training batch of the runs of a test."""
    seen: list[tuple[Tensor, Tensor]] = []
    original = SequenceClassifier.training_step

    def recorded(self: SequenceClassifier, batch: Batch, batch_idx: int) -> Tensor:
        with torch.no_grad():
            seen.append((self(batch.x, batch.lengths).double(), batch.y))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(SequenceClassifier, "training_step", recorded)
    return seen


def test_train_scores_are_means_over_all_sequences_of_the_epoch(
    training_outputs: list[tuple[Tensor, Tensor]], train_in: Train
) -> None:
    run = train_in(*SMALL, "trainer.max_epochs=1", "data.batch_size=500")  # 500, 500 and 294
    logits, y = (torch.cat(column) for column in zip(*training_outputs, strict=True))
    assert len(y) == run.record["num_sequences"]["train"]
    expected = {
        "train/loss": float(functional.cross_entropy(logits, y)),
        "train/accuracy": float((logits.argmax(dim=1) == y).double().mean()),
    }
    scores = {name: run.record["scores"][name] for name in expected}
    assert scores == pytest.approx(expected, rel=1e-5)


def test_train_scores_cover_the_newest_epoch_only(
    training_outputs: list[tuple[Tensor, Tensor]], train_in: Train
) -> None:
    run = train_in(*SMALL, "data.batch_size=500")
    assert run.record["best"]["epoch"] == 1
    logits, y = (torch.cat(column) for column in zip(*training_outputs[3:], strict=True))
    expected = float(functional.cross_entropy(logits, y))
    assert run.record["scores"]["train/loss"] == pytest.approx(expected, rel=1e-5)


# the loss


def make(*overrides: str, class_weights: Tensor | None = None) -> SequenceClassifier:
    return build_classifier(
        compose(*SMALL, "head.initialization=torch", *overrides),
        num_features=3,
        num_steps=10,
        num_classes=4,
        class_weights=class_weights,
    )


def some_batch() -> Batch:
    return Batch(
        x=torch.randn(9, 5, 3),
        lengths=torch.tensor([5, 1, 3, 4, 5, 2, 2, 1, 4]),
        y=torch.tensor([0, 1, 2, 3, 0, 0, 3, 3, 3]),
        ids=torch.arange(9),
    )


def loss_by_hand(logits: Tensor, y: Tensor, *, weights: list[float], smoothing: float) -> float:
    """torch.nn.CrossEntropyLoss as its documentation defines it."""
    costs = -logits.double().log_softmax(dim=1)
    total = weight = 0.0
    for cost, label in zip(costs.tolist(), y.tolist(), strict=True):
        spread = sum(w * c for w, c in zip(weights, cost, strict=True)) / len(cost)
        total += (1 - smoothing) * weights[label] * cost[label] + smoothing * spread
        weight += weights[label]
    return total / weight


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 4.0]])
def test_the_training_loss_is_smoothed_and_weighted_as_documented(
    smoothing: float, weights: list[float] | None
) -> None:
    given = None if weights is None else torch.tensor(weights)
    classifier = make(f"loss.label_smoothing={smoothing}", class_weights=given)
    batch = some_batch()
    expected = loss_by_hand(
        classifier(batch.x, batch.lengths).detach(),
        batch.y,
        weights=weights or [1.0] * 4,
        smoothing=smoothing,
    )
    assert float(classifier.training_step(batch, 0).detach()) == pytest.approx(expected, rel=1e-5)


def mixed_by_hand(batch: Batch, share: float, order: list[int]) -> tuple[Tensor, Tensor]:
    """Return x and lengths of mixed sequences, step by step."""
    x = torch.zeros_like(batch.x)
    lengths = []
    for row, other in enumerate(order):
        for sequence, part in ((row, share), (other, 1 - share)):
            length = int(batch.lengths[sequence])
            x[row, :length] += part * batch.x[sequence, :length]
        lengths.append(max(int(batch.lengths[row]), int(batch.lengths[other])))
    return x, torch.tensor(lengths)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_mixup_averages_sequences_and_losses(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [1.0, 2.0, 0.5, 4.0]
    classifier = make(
        "loss.mixup=0.2", "loss.label_smoothing=0.1", class_weights=torch.tensor(weights)
    )
    order = [3, 0, 1, 2, 8, 7, 6, 5, 4]
    monkeypatch.setattr(mixup.Beta, "sample", lambda _: torch.tensor(share, dtype=torch.float64))
    monkeypatch.setattr(torch, "randperm", lambda _: torch.tensor(order))
    batch = some_batch()  # padded with noise, which must not be mixed in
    logits = classifier(*mixed_by_hand(batch, share, order)).detach()
    expected = share * loss_by_hand(logits, batch.y, weights=weights, smoothing=0.1)
    expected += (1 - share) * loss_by_hand(logits, batch.y[order], weights=weights, smoothing=0.1)
    assert float(classifier.training_step(batch, 0).detach()) == pytest.approx(expected, rel=1e-5)
    dominant = batch.y if share > 0.5 else batch.y[order]
    num_correct = int((logits.argmax(dim=1) == dominant).sum())
    assert int(classifier.training_sums.num_correct) == num_correct


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 100.0])
def test_the_share_has_the_moments_of_a_beta_distribution(alpha: float) -> None:
    batch = Batch(*(part[:1] for part in some_batch()))
    shares = torch.tensor([mixup.mix_up(batch, alpha=alpha).share for _ in range(800)])
    assert 0 <= shares.min() <= shares.max() <= 1
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.06)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.2)


def test_training_without_mixup_draws_no_numbers() -> None:
    classifier, batch = make(), some_batch()
    before = torch.get_rng_state()
    classifier.training_step(batch, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def unbalanced() -> tuple[str, ...]:
    return "data=random", "data.source.num_train=30", "data.source.num_classes=3", "logger=none"


def test_balanced_weights_are_those_of_scikit_learn(
    unbalanced: tuple[str, ...], tmp_path: Any
) -> None:
    config = compose(*unbalanced, "loss.class_weights=balanced", "trainer=cpu")
    built = build(config, RunFolder(tmp_path))
    y = built.data.parts.train.y.numpy()
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    assert len(set(np.bincount(y).tolist())) > 1
    assert built.classifier.class_weights.tolist() == pytest.approx(expected.tolist())


def test_a_run_of_steps_without_our_bar_has_none(
    unbalanced: tuple[str, ...], tmp_path: Any
) -> None:
    words = (*unbalanced, "trainer=cpu", "~callbacks.progress")
    by_steps = compose(*words, "trainer.max_steps=5", "trainer.max_epochs=-1")
    assert build(by_steps, RunFolder(tmp_path)).trainer.progress_bar_callback is None
    by_epochs = build(compose(*words), RunFolder(tmp_path))
    assert by_epochs.trainer.progress_bar_callback is not None


def test_given_weights_are_taken_class_by_class(unbalanced: tuple[str, ...], tmp_path: Any) -> None:
    config = compose(*unbalanced, "loss.class_weights=[1,2.5,3]", "trainer=cpu")
    weights = build(config, RunFolder(tmp_path)).classifier.class_weights
    assert weights.tolist() == [1, 2.5, 3]


@pytest.mark.parametrize("setting", ["[1,2]", "[1,2,3,4]", "[1,2,0]", "[1,2,-3]", "even"])
def test_weights_that_do_not_fit_the_classes_are_refused(
    setting: str, unbalanced: tuple[str, ...], tmp_path: Any
) -> None:
    config = compose(*unbalanced, f"loss.class_weights={setting}", "trainer=cpu")
    with pytest.raises(ConfigError, match=r"loss\.class_weights=.*balanced or 3 numbers > 0"):
        build(config, RunFolder(tmp_path))


# test set


def test_fit_never_reads_the_test_set(monkeypatch: pytest.MonkeyPatch, train_in: Train) -> None:
    def refuse(self: SequenceDataModule) -> None:
        raise AssertionError("fit asked for the test loader")

    monkeypatch.setattr(SequenceDataModule, "test_dataloader", refuse)
    record = train_in(*SMALL, "trainer.max_epochs=1", "test=false").record
    assert record["state"] == "done"
    assert not [name for name in record["scores"] if name.startswith("test/")]


def test_the_test_set_is_read_once(monkeypatch: pytest.MonkeyPatch, train_in: Train) -> None:
    batches = []
    original = SequenceClassifier.test_step

    def counted(self: SequenceClassifier, batch: Batch) -> None:
        batches.append(batch.ids)
        original(self, batch)

    monkeypatch.setattr(SequenceClassifier, "test_step", counted)
    run = train_in(*SMALL, "data.eval_batch_size=64")
    ids = torch.cat(batches).tolist()
    assert len(ids) == len(set(ids)) == run.record["num_sequences"]["test"]


def test_the_best_epoch_is_tested(train_in: Train) -> None:
    """A huge learning rate ruins the second epoch, so the first one is the best."""
    ruined = (
        "scheduler=step",
        "scheduler.drops=[0.5]",
        "scheduler.factor=1e4",
        "optimizer.lr=1e-3",
    )
    run = train_in(*SMALL, *ruined, "seed=2")
    probabilities, y = by_hand(run, "test")
    best = run.folder.load_checkpoint(run.folder.best_checkpoint)["state_dict"]
    last = run.folder.load_checkpoint(run.folder.last_checkpoint)["state_dict"]
    assert run.record["best"]["epoch"] == 0
    assert any(not torch.equal(best[name], last[name]) for name in best)
    assert run.record["scores"]["test/loss"] == pytest.approx(log_loss(y, probabilities), rel=1e-4)


# checkpoints


def kinds_in(value: Any) -> Iterator[type]:
    """Yield the type of every value in a nest of containers."""
    yield type(value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield type(key)
            yield from kinds_in(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from kinds_in(item)


def test_every_checkpoint_holds_plain_values_and_tensors_only(tiny_run: SimpleNamespace) -> None:
    paths = sorted(tiny_run.folder.path.rglob("*.ckpt"))
    assert [path.name for path in paths] == ["best.ckpt", "last.ckpt"]
    plain = {"dict", "OrderedDict", "list", "tuple", "str", "int", "float", "bool", "NoneType"}
    for path in paths:
        checkpoint = torch.load(path, weights_only=True)
        found = {kind.__name__ for kind in kinds_in(checkpoint)}
        assert found <= plain | {"Tensor"}


def test_a_checkpoint_holds_the_weights_of_encoder_and_head_only(
    tiny_run: SimpleNamespace,
) -> None:
    state = tiny_run.folder.load_checkpoint(tiny_run.folder.best_checkpoint)["state_dict"]
    assert {name.rsplit(".")[1] for name in state} == {"encoder", "head"}
    assert sum(tensor.numel() for tensor in state.values()) == tiny_run.record["num_parameters"]


# optimization


@pytest.mark.parametrize("limit", [0.01, 1.0])
def test_gradients_are_clipped_to_their_limit(
    limit: float, monkeypatch: pytest.MonkeyPatch, train_in: Train
) -> None:
    norms = []

    def record(self: SequenceClassifier, *_: Any) -> None:
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    original = SequenceClassifier.optimizer_step

    def stepped(self: SequenceClassifier, epoch: int, batch_idx: int, optimizer: Any, closure: Any):
        original(self, epoch, batch_idx, optimizer, closure)
        record(self)

    monkeypatch.setattr(SequenceClassifier, "optimizer_step", stepped)
    run = train_in(
        *SMALL, "trainer.max_epochs=1", f"trainer.gradient_clip_val={limit}", "test=false"
    )
    before = run.record["scores"]["train/gradient_norm_max"]
    assert before > 0.01
    assert max(norms) == pytest.approx(min(limit, before), rel=1e-3)


def test_biases_do_not_decay_and_matrices_do(train_in: Train) -> None:
    classifier = make("optimizer=adamw", "optimizer.weight_decay=0.25")
    classifier.trainer = MagicMock(
        spec=Trainer, estimated_stepping_batches=10, num_training_batches=5, fit_loop=MagicMock()
    )
    optimizer = classifier.configure_optimizers()["optimizer"]
    decay = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    expected = {p: 0.25 if p.ndim == 2 else 0.0 for p in classifier.parameters()}
    assert decay == expected


# sequences that are in another set too


def test_scores_without_repeated_sequences_are_those_of_the_others() -> None:
    logits, y = torch.randn(20, 3), torch.arange(20) % 3
    ids = torch.arange(20) // 2  # windows of ten recordings
    scores, _ = compute_scores(
        logits, y, ids, averages_windows=False, repeated_ids=torch.tensor([0, 3, 77])
    )
    kept = torch.tensor([row for row in range(20) if row // 2 not in (0, 3)])
    others, _ = compute_scores(logits[kept], y[kept], ids[kept], averages_windows=False)
    assert {f"unseen_{name}": value for name, value in others.items()} == {
        name: value for name, value in scores.items() if name.startswith("unseen_")
    }


@pytest.mark.parametrize("repeated_ids", [[], list(range(5))], ids=["none", "all"])
def test_there_are_no_such_scores_if_no_sequence_or_each_one_is_repeated(
    repeated_ids: list[int],
) -> None:
    scores, _ = compute_scores(
        torch.randn(5, 2),
        torch.arange(5) % 2,
        torch.arange(5),
        averages_windows=False,
        repeated_ids=torch.tensor(repeated_ids, dtype=torch.long),
    )
    assert not any(name.startswith("unseen_") for name in scores)
