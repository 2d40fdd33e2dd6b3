"""Features that give the label away are reported, and easy or small data sets are not."""

import pytest
import torch

from unrolled.contracts import Feature, Sequences
from unrolled.data import leaks
from unrolled.data.leaks import leak_warnings
from unrolled.data.selection import Selection

N, T = 60, 5
Y = torch.arange(N) % 3
NOISE = torch.randn(N, T, generator=torch.Generator().manual_seed(0))
STEPS = torch.arange(T).expand(N, T).float()


def warnings(
    *columns: torch.Tensor,
    y: torch.Tensor = Y,
    lengths: torch.Tensor | None = None,
    names: list[str] | None = None,
) -> list[str]:
    """Return the warnings for features of shape (n, t) or (n,)."""
    names = names or [f"f{number}" for number in range(len(columns))]
    x = torch.stack([c if c.ndim == 2 else c[:, None].expand(len(y), T) for c in columns], dim=2)
    lengths = torch.full((len(y),), T) if lengths is None else lengths
    train = Sequences(x=x.float(), lengths=lengths, y=y, ids=torch.arange(len(y)))
    features = [Feature(name, name, f"drop {name}") for name in names]
    return leak_warnings(Selection.of_all(train), features)


LEAKS: dict[str, torch.Tensor] = {
    "a copy of the label": Y.float(),
    "words for the label": torch.tensor([7.0, 2.0, 5.0])[Y],
    "a row number of a sorted file": Y[:, None] * 1000 + STEPS + 5 * torch.arange(N)[:, None],
    "the label with noise": Y[:, None] + 0.1 * NOISE,
    "subjects of one class each": Y.float() + 3 * (torch.arange(N) % 9 // 3),
    "whether it is one of the classes": (Y == 1).float(),
    "a value that one class lacks": torch.where(Y[:, None] == 0, torch.nan, Y[:, None] + 0 * NOISE),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_feature_that_gives_the_label_away_is_reported_once(leak: torch.Tensor) -> None:
    (text,) = warnings(NOISE, leak)
    assert text.startswith("feature 'f1': its value alone separates ")
    assert text.endswith("to leave it out, drop f1")


HARMLESS: dict[str, torch.Tensor] = {
    "noise": NOISE.flip(0),
    "the same for all": torch.ones(N),
    "a code that is wrong twice": torch.where((torch.arange(N) // 2) == 3, Y + 1, Y).float(),
    "a level that is constant in each sequence": NOISE[:, 0],
    "steps": STEPS,
    "a measurement of which single steps overlap": Y[:, None] + NOISE,
    "an oscillation whose size is the class": (1.0 + Y[:, None]) * torch.sin(STEPS),
}


@pytest.mark.parametrize("feature", HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_feature_is_not_reported(feature: torch.Tensor) -> None:
    assert warnings(NOISE, feature) == []


def test_an_easy_data_set_in_which_every_feature_separates_the_classes_is_not_reported() -> None:
    assert warnings(10.0 * Y[:, None] + NOISE, -10.0 * Y[:, None] + NOISE.flip(0)) == []


def test_a_single_feature_is_not_reported() -> None:
    assert warnings(Y.float()) == []


def test_a_few_sequences_may_be_separated_by_chance() -> None:
    y = torch.arange(8) % 2
    assert warnings(NOISE[:8], y.float(), y=y) == []


@pytest.mark.parametrize("num", [4, 6, 8, 12, 20])
def test_features_that_do_not_depend_on_the_label_are_not_reported(num: int) -> None:
    """Each of 200 features separates 3 and 3 sequences with a probability of 0.1."""
    generator = torch.Generator().manual_seed(num)
    y = torch.arange(num) % 2
    levels = torch.randn(100, num, generator=generator)
    codes = torch.randint(0, 2, (100, num), generator=generator)
    assert warnings(*levels, *codes, NOISE[:num], y=y) == []


def test_the_words_of_a_column_are_one_feature() -> None:
    words = torch.nn.functional.one_hot(Y).float().unbind(dim=1)
    x = torch.stack([word[:, None].expand(N, T) for word in words] + [NOISE], dim=2)
    train = Sequences.of_equal_length(x, Y, first_id=0)
    features = [Feature(f"how={word}", "how", "drop how") for word in "abc"]
    (text,) = leak_warnings(Selection.of_all(train), [*features, Feature("v", "v", "drop v")])
    assert text.startswith("feature 'how': its value alone separates the classes")


def test_padding_has_no_part_in_it() -> None:
    leak = torch.where(STEPS == T - 1, 99.0, Y[:, None].float())
    assert warnings(NOISE, leak) == []
    assert len(warnings(NOISE, leak, lengths=torch.full((N,), T - 1))) == 1


def test_a_large_set_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MAX_VALUES", 2 * N * T - 1)
    assert warnings(NOISE, Y.float()) == []


def test_sequences_of_one_step_are_not_constant_codes() -> None:
    """Each feature of a sequence of one step is constant in it."""
    x = torch.stack([NOISE[:, :1], (Y == 1).float()[:, None]], dim=2)
    features = [Feature(name, name, "") for name in "ab"]
    train = Selection.of_all(Sequences.of_equal_length(x, Y, first_id=0))
    assert leak_warnings(train, features) == []
