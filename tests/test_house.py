"""The house: its rooms are small, and its rules are kept."""

import ast
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

import keras_ban

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "keras_ban"
CITATION = ROOT / "CITATION.cff"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOOR = PACKAGE / "feeding" / "door.py"

# Who asks for a kind of data asks for one of these.
KINDS = {
    "Dataset",
    "DatasetV2",
    "Generator",
    "Iterable",
    "Iterator",
    "KerasTensor",
    "PyDataset",
    "RaggedTensor",
    "Sequence",
    "SparseTensor",
    "Tensor",
    "ndarray",
}
FEATURES = {
    "__getitem__",
    "__iter__",
    "__len__",
    "__next__",
    "cardinality",
    "element_spec",
    "iloc",
    "shape",
}
QUESTIONS = {
    "callable",
    "is_tensor",
    "isasyncgen",
    "isfunction",
    "isgenerator",
    "isgeneratorfunction",
}
# Who asks the same of something else than data, and of what.
OTHERS = {
    "comparison/methods.py/": "`epochs`",
    "feeding/datasets.py/_pipeline": "what a data set reads from",
    "generations/ancestry.py/lengths": "`epochs`",
    "generations/blueprints.py/_functions": "`model_fn`",
    "generations/prepared.py/given_callbacks": "`callbacks`",
    "objectives/features.py/_function": "`loss`",
    "objectives/names.py/get": "`objective`",
    "networks/archive.py/_check_weights": "what an HDF5 file holds",
    "runs/fingerprint.py/_name": "a configuration",
    "state/attributes.py/_hold": "what an object keeps",
    "state/file.py/_held": "what an HDF5 file holds",
    "state/plain.py/encode": "what a callback remembers",
    "views/names.py/_one": "`augment`",
    "tasks/checks.py/prediction": "the output of a model",
    "teaching/family.py/": "`teacher`",
    "teaching/functions.py/": "what Python is called with",
    "teaching/saved.py/": "what a SavedModel holds",
    "trees/": "rows of scikit-learn, for which it has its own door",
}


def functions(path):
    """Yields the functions of a module, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def names(node):
    """All names and attributes in an expression."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found | {
        n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)
    }


def asks(call):
    """Whether a call asks for a kind of data."""
    name = next(iter(names(call.func) - {"inspect", "keras", "ops", "tf"}), "")
    if name in ("isinstance", "issubclass"):
        return bool(names(call.args[1]) & KINDS)
    if name == "hasattr":
        return getattr(call.args[1], "value", None) in FEATURES
    return name in QUESTIONS


def questions(path, root=PACKAGE):
    """The places of a module that ask, as "module/function"."""
    found = set()
    for function in functions(path):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and asks(node):
                found.add(f"{path.relative_to(root)}/{function.name}")
    return found


def test_one_door_asks_what_kind_of_data_it_is():
    outside = [p for p in MODULES if p != DOOR]
    found = set().union(*map(questions, outside))
    unexplained = {
        place for place in found if not place.startswith(tuple(OTHERS))
    }
    assert unexplained == set()
    assert len(questions(DOOR)) >= 3


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(x, tf.data.Dataset)",
        "isinstance(x, (list, np.ndarray))",
        "hasattr(x, '__next__')",
        "inspect.isgenerator(x)",
        "tf.is_tensor(x)",
    ],
)
def test_a_question_elsewhere_is_found(code, tmp_path):
    module = tmp_path / "module.py"
    module.write_text(f"def ask(x):\n    return {code}\n")
    assert questions(module, tmp_path) == {"module.py/ask"}


def test_explanations_are_all_in_use():
    found = set().union(*map(questions, MODULES))
    unused = [o for o in OTHERS if not any(p.startswith(o) for p in found)]
    assert unused == []


def test_at_most_14_files_at_the_top():
    files = [p for p in PACKAGE.iterdir() if p.is_file()]
    assert len(files) <= 14


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_files_and_functions_are_small(path):
    assert len(path.read_text().splitlines()) <= 400
    for function in functions(path):
        assert code_lines(function) <= 60, function.name


def code_lines(function):
    """The lines of a function but for its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        lines -= text.end_lineno - text.lineno + 1
    return lines


def test_each_room_says_in_one_line_what_lives_there():
    for path in PACKAGE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text()))
        assert text and len(text.splitlines()) == 1, path


def test_names_explain_themselves():
    for path in MODULES:
        for function in functions(path):
            assert function.name not in ("of", "seed"), path


def test_no_name_stands_for_a_module_and_for_something_else():
    import keras_ban

    modules = {k: m for k, m in sys.modules.items() if m is not None}
    for name, module in modules.items():
        parent, _, last = name.rpartition(".")
        if parent.split(".")[0] == keras_ban.__name__:
            assert getattr(modules[parent], last) is module, name


def test_private_names_of_keras_stand_in_one_place():
    found = [p for p in MODULES if "keras.src" in p.read_text()]
    assert found == [PACKAGE / "state" / "seeds.py"]


@pytest.fixture
def copy(tmp_path):
    """A copy of the package's source, with its contracts."""
    shutil.copytree(
        PACKAGE,
        tmp_path / "keras_ban",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder):
    return subprocess.run(
        [
            pathlib.Path(sys.executable).with_name("lint-imports"),
            "--no-cache",
        ],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_imports_point_down(copy):
    assert lint_imports(copy).returncode == 0


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("tasks/losses.py", "from keras_ban.objectives import BAN"),
        ("feeding/door.py", "import keras_ban.born_again"),
        ("models/by_name.py", "from keras_ban.data import vision"),
        ("born_again.py", "from keras_ban.comparison import methods"),
    ],
)
def test_an_import_that_points_up_is_found(module, line, copy):
    path = copy / "keras_ban" / module
    path.write_text(f"{path.read_text()}\n\n{line}\n")
    found = lint_imports(copy)
    assert found.returncode == 1
    assert "Imports point down BROKEN" in found.stdout


def test_a_room_without_a_layer_is_found(copy):
    (copy / "keras_ban" / "corridor.py").write_text('"""New."""\n')
    assert lint_imports(copy).returncode == 1


def test_contracts_are_those_of_the_rooms():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = contract["tool"]["importlinter"]["contracts"]
    assert layers["exhaustive"]


def test_what_is_cited_has_the_version():
    cited = re.search(r"(?m)^version: (\S+)$", CITATION.read_text())
    assert cited[1] == keras_ban.__version__
