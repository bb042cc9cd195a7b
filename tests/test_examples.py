"""The examples and the guides run as they stand."""

import re

import jupytext
import nbformat
import pytest
from scripts import ROOT
from scripts import run

GUIDES = ROOT / "examples" / "guides"
NOTEBOOKS = ROOT / "examples" / "notebooks"
# What takes less than twenty seconds.
QUICKEST = ("objectives_under_the_light",)
SLOW = [pytest.mark.slow]


def stem(path):
    return path.stem


@pytest.mark.slow
def test_quickstart_prints_every_method_and_the_verdict(tmp_path):
    options = ("--epochs", "2", "--seeds", "2")
    printed = run("examples/quickstart.py", *options, cwd=tmp_path)
    for name in ("labels", "labels+views", "ban+views", "one from five"):
        assert re.search(
            rf"^{re.escape(name)} +[\d.]+ \+-", printed, re.MULTILINE
        )
    assert re.search(
        r"'one from five' errs [\d.]+ \+-", " ".join(printed.split())
    )
    assert "To take, by the validation images: '" in printed
    picture = (tmp_path / "quickstart.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_pretrained_network_is_fine_tuned_in_two_phases(tmp_path):
    options = ("--seeds", "2", "--head", "1", "--whole", "1")
    printed = run("examples/pretrained.py", *options, cwd=tmp_path)
    for name in ("labels", "5 of labels", "one from five"):
        assert re.search(rf"^{name} +[\d.]+ \+-", printed, re.MULTILINE)


@pytest.mark.slow
def test_compression_compares_hard_and_soft_targets(tmp_path):
    printed = run(
        "examples/compression.py", "--epochs", "1", "--seeds", "2", cwd=tmp_path
    )
    rows = re.findall(r"[\d.]+ ± [\d.]+ %\s+[\d.]+$", printed, re.MULTILINE)
    assert len(rows) == 5


@pytest.mark.slow
def test_a_tree_is_born_again_from_each_teacher(tmp_path):
    options = ("--data", "wine", "--samples", "4000", "--epochs", "2")
    printed = run("examples/born_again_tree.py", *options, cwd=tmp_path)
    for name in ("random forest", "boosted trees", "ensemble of generations"):
        rows = rf"^{name} +[\d.]+\n  born again +[\d.]+ +[\d,]+ +\d+ +[\d.]+$"
        assert re.search(rows, printed, re.MULTILINE)
    assert len(re.findall(r"at most 12 leaves +[\d.]+", printed)) == 3
    assert "|--- " in printed and "fidelity %" in printed
    picture = (tmp_path / "born_again_tree.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


@pytest.mark.slow
def test_ten_acoustic_models_are_distilled_into_one(tmp_path):
    options = ("--seeds", "2", "--teachers", "2", "--epochs", "1")
    printed = run(
        "examples/speech_ensemble.py", "--quick", *options, cwd=tmp_path
    )
    rows = re.findall(r"^(.{29}) *\d+\.\d", printed, re.MULTILINE)
    assert [row.strip() for row in rows] == [
        "one of the ensemble",
        "mean of 2",
        "twin: labels, masked, longer",
        "distilled, T = 2",
        "distilled, T = 5",
        "born again, BAN-1",
        "few recordings, hard targets",
        "few recordings, soft targets",
    ]
    assert "To take, by the validation recordings: 'distilled, T = " in printed


QUICK = ("--quick", "--epochs", "1")


@pytest.mark.slow
def test_a_row_of_the_tables_stands_beside_the_published_one(tmp_path):
    options = ("--validation", "0.1", "--directory", "run", "--verbose", "0")
    printed = run("examples/cifar_ban.py", *QUICK, *options, cwd=tmp_path)
    rows = re.findall(r"^(\S+) +[\d.]+$", printed, re.MULTILINE)
    assert rows == ["Teacher", "BAN-1", "BAN-2", "Ens*2", "Ens*all"]
    assert (tmp_path / "run" / "run.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [
        (
            "cifar_ban.py",
            (
                *("--teacher", "densenet_10_4", "--model"),
                *("ban_wide_resnet_1_0.5", "--augmentation", "crop", "cutmix"),
                *("--objective", "ban+l"),
            ),
            r"(?m)^BAN-2 +[\d.]+$",
        ),
        (
            "dense_to_residual.py",
            (),
            r"densenet_16_8 +wide_resnet_10_1 +[\d.]+",
        ),
        ("bring_your_own_model.py", (), r"KerasCV's DenseNetBackbone: test"),
        ("hub_models.py", (), r"GPT2CausalLM.*kept back\nnetwork"),
    ],
)
def test_examples_of_vision_run(script, arguments, expected, tmp_path):
    assert re.search(
        expected, run(f"examples/{script}", *QUICK, *arguments, cwd=tmp_path)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "objectives", "more"),
    [
        ("lstm", ("ban+l",), ()),
        ("cnn_lstm", ("ban", "ban+l"), ()),
        ("gpt", ("ban+l",), ("--top-k", "64")),
    ],
)
def test_perplexities_stand_beside_their_twins(
    model, objectives, more, tmp_path
):
    options = ("--model", model, "--directory", "run", "--verbose", "0", *more)
    printed = run(
        "examples/language_model.py",
        *(*QUICK, *options, "--objective", *objectives),
        cwd=tmp_path,
    )
    rows = re.findall(r"^(\S.*?) +[\d.]+ +[\d.]+$", printed, re.MULTILINE)
    expected = ["Labels-0", "Labels-1", "Ens*all"]
    for objective in objectives:
        expected += [f"{objective} BAN-1", f"{objective} Ens*all"]
    assert rows == expected
    assert (tmp_path / "run" / "labels" / "run.json").exists()


def test_every_guide_has_its_notebook_and_its_place_in_the_gallery():
    built = {path.stem for path in NOTEBOOKS.glob("*.ipynb")}
    assert built == {path.stem for path in GUIDES.glob("*.py")}
    gallery = (ROOT / "docs" / "gallery.md").read_text()
    for name in built:
        assert f"../examples/notebooks/{name}.ipynb" in gallery
    pictures = [*(ROOT / "docs" / "gallery").glob("*.png")]
    assert all(f"gallery/{path.name}" in gallery for path in pictures)
    assert sum(path.stat().st_size for path in pictures) < 1_000_000


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.py")), ids=stem)
def test_notebook_is_built_from_its_script_and_has_outputs(path):
    notebook = nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4)
    script = jupytext.read(path)
    assert [c.source for c in notebook.cells] == [
        c.source for c in script.cells
    ]
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert sum(bool(c.outputs) for c in code) >= len(code) / 2
    assert not any(o.output_type == "error" for c in code for o in c.outputs)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path, marks=[pytest.mark.slow] * (stem(path) not in QUICKEST)
        )
        for path in sorted(GUIDES.glob("*.py"))
    ],
    ids=stem,
)
def test_a_guide_runs_as_a_script_and_leaves_nothing(
    path, tmp_path, monkeypatch
):
    monkeypatch.setenv("MPLBACKEND", "agg")
    run(f"examples/guides/{path.name}", cwd=tmp_path, timeout=600)
    assert list(tmp_path.iterdir()) == []
