"""What the examples and the benchmark of the paper's tables say."""

import importlib.util
import pathlib
import sys
import types

import numpy as np
import pytest
from scipy import stats

ROOT = pathlib.Path(__file__).parents[1]


def script(path, monkeypatch):
    """A script as a module, beside those that it imports."""
    monkeypatch.syspath_prepend((ROOT / path).parent)
    spec = importlib.util.spec_from_file_location("script", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def example(monkeypatch):
    return script("examples/cifar_ban.py", monkeypatch)


@pytest.fixture
def benchmark(monkeypatch):
    return script("benchmarks/vision.py", monkeypatch)


@pytest.mark.parametrize(
    ("options", "generations", "expected"),
    [
        (
            {},
            3,
            {
                "Teacher": "17.69 (Table 2, teacher)",
                "BAN-1": "16.62 (Table 2, BAN-1), 16.69 (Table 2, BAN)",
                "BAN-3": "16.72 (Table 2, BAN-3)",
                "Ens*3": "15.74 (Table 2, Ens*3)",
                "Ens*all": "",
            },
        ),
        ({"objective": "BAN+L"}, 1, {"BAN-1": "16.93 (Table 2, BAN+L)"}),
        ({"objective": "cwtm"}, 2, {"BAN-2": "", "Ens*2": ""}),
        (
            {"model": "densenet_80_120"},
            3,
            {"Ens*3": "", "Ens*all": "", "Ens*2": "15.13 (Table 2, Ens*2)"},
        ),
        (
            {"model": "densenet_80_120"},
            2,
            {"Ens*all": "14.90 (Table 2, Ens*3 with the teacher)"},
        ),
        (
            {"teacher": "densenet_90_60", "model": "ban_wide_resnet_4_1.0"},
            1,
            {
                "Teacher": "17.69 (Table 2, teacher)",
                "BAN-1": "17.18 (Table 5, BAN)",
            },
        ),
    ],
)
def test_a_row_stands_beside_those_it_repeats(
    options, generations, expected, example
):
    arguments = types.SimpleNamespace(
        **{
            "dataset": "cifar100",
            "model": "densenet_90_60",
            "teacher": None,
            "objective": "ban",
            **options,
        }
    )
    names = ["Teacher", *(f"BAN-{k + 1}" for k in range(generations))]
    names += ["Ens*2", "Ens*3", "Ens*all"]
    table = [{"name": name, "error": 0.1} for name in names]
    printed = example.beside_published(table, arguments).splitlines()
    for name, said in expected.items():
        (line,) = (x for x in printed if x.startswith(name))
        assert line.split("10.00")[1].strip() == said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], None),
        (["--augmentation", "none"], ()),
        (["--augmentation", "crop", "cutout"], ["crop", "cutout"]),
    ],
)
def test_no_augmentation_is_one_too(given, expected, example, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cifar_ban.py", *given])
    assert example.parse().augmentation == expected


def test_an_example_says_up_front_what_it_lacks(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    monkeypatch.setattr(sys, "argv", ["bring_your_own_model.py", "--quick"])
    with pytest.raises(SystemExit):
        script("examples/bring_your_own_model.py", monkeypatch).main()
    assert ".[vision]" in capsys.readouterr().err


def test_networks_have_weight_decay_and_dropout_of_their_recipe(monkeypatch):
    arguments = ["x", "--quick", "--dataset", "digits"]
    monkeypatch.setattr(sys, "argv", arguments)
    example = script("examples/dense_to_residual.py", monkeypatch)
    house_numbers = example.recipes.BY_DATA["svhn_cropped"]
    monkeypatch.setitem(example.recipes.BY_DATA, "digits", house_numbers)
    lesson = example.Lesson(example.parse())
    assert lesson.fit["augment"] is None
    model = lesson.network("wide_resnet_10_1")
    rates = {x.rate for x in model.layers if hasattr(x, "rate")}
    assert rates == {house_numbers.dropout}
    decay = {
        x.kernel_regularizer.l2 for x in model.layers if x.name == "logits"
    }
    assert decay == {house_numbers.weight_decay / 2}


@pytest.mark.parametrize("seeds", range(1, 11))
def test_the_benchmark_knows_the_interval_of_its_seeds(seeds, benchmark):
    rows = [
        {
            "first": "a",
            "network": "a",
            "objective": "labels",
            "name": "Labels-0",
            "seed": seed,
            "error": 0.1 + 0.01 * (seed % 2),
            "nll": 0.3,
            "ece": 0.0123,
            "agreement": None,
        }
        for seed in range(seeds)
    ]
    (line,) = benchmark.summary(rows)
    assert line["ECE, %"]["mean"] == pytest.approx(1.23)
    half = line["test error, %"]["±"]
    if seeds == 1:
        assert half is None
    else:
        errors = [10 + seed % 2 for seed in range(seeds)]
        interval = stats.t(seeds - 1).ppf(0.975)
        expected = interval * np.std(errors, ddof=1) / np.sqrt(seeds)
        assert half == pytest.approx(expected, rel=1e-3)
    assert "| 1.23" in benchmark.markdown([line])


@pytest.mark.parametrize("seeds", [["1", "1"], list(map(str, range(11)))])
def test_other_seeds_are_refused_before_training(
    seeds, benchmark, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["vision.py", "--seeds", *seeds])
    monkeypatch.setattr(benchmark, "Experiment", pytest.fail)
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "1 to 10 different ones" in capsys.readouterr().err
