"""The pages of the site: the repository's own files, where they stand.

So what links a file to another leads there on the site, and in the repository
too. Notebooks, scripts, docstrings and the citation become pages.
"""

import ast
import pathlib
import posixpath
import re
import tomllib

import griffe
import nbformat
import yaml
from mkdocs.structure.files import File
from nbconvert import MarkdownExporter

ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / "keras_ban"
DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "benchmarks/README.md",
    "benchmarks/results/*.json*",
    "docs/*.md",
    "docs/**/*.png",
    "examples/guides/*.py",
    "examples/notebooks/*.ipynb",
)
# What stands at the top of `keras_ban`, by what it is for; then the rooms.
TOP = {
    "training": ("BornAgain", "Distiller", "ensemble", "load", "TeacherCache"),
    "lineage": ("Lineage", "Generation"),
    "compare": ("compare", "Method", "Comparison"),
}
ROOMS = (
    *("objectives", "views", "tasks", "metrics", "models", "recipes"),
    *("data.vision", "data.text", "data.speech", "trees", "sklearn"),
    "callbacks",
)
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")
# An interval in a table, which is not to be broken.
INTERVAL = re.compile(r"(?m)(?<=[\d%]) ± (?=[\d.]+[^\n]*\|$)")
COMMENT = re.compile(r"(?m)^<!--.*?-->\n")
TITLE = re.compile(r"(?m)^# .*$")
NOTEBOOKS = "examples/notebooks"
COLAB = "https://colab.research.google.com"


def on_files(files, config):
    """Adds every page and every file that pages lead to."""
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, ROOT, config.site_dir, False))
    pages = _notebooks(config.repo_url) | _scripts() | _api()
    pages |= {"rooms.md": _rooms(), "citation.md": _citation()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Leads to the pages of notebooks, scripts and folders."""
    here = posixpath.dirname(page.file.src_uri)

    def there(found):
        target = found[1]
        path = ROOT / posixpath.normpath(posixpath.join(here, target))
        if path.is_dir():
            return f"{target.rstrip('/')}/index.md"
        page = pathlib.PurePosixPath(target).with_suffix(".md")
        name = posixpath.normpath(posixpath.join(here, str(page)))
        return str(page) if files.get_file_from_path(name) else target

    if "<!-- notebook -->" in markdown:
        return markdown
    markdown = INTERVAL.sub("\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}", markdown)
    return LINK.sub(there, COMMENT.sub("", markdown))


def _notebooks(repository):
    """Notebooks with what they printed and drew, by the names of pages.

    Args:
        repository: The address of the repository, or `None`.
    """
    found = {}
    for path in sorted(ROOT.glob(f"{NOTEBOOKS}/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        folder = f"{NOTEBOOKS}/{path.stem}"
        body, resources = MarkdownExporter().from_notebook_node(
            notebook, {"output_files_dir": path.stem}
        )
        body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
        ways = _ways(path.stem, repository)
        body = TITLE.sub(rf"\g<0>\n\n{ways}", body, count=1)
        found[f"{folder}.md"] = f"<!-- notebook -->\n\n{body}\n"
        for name, content in resources["outputs"].items():
            found[f"{NOTEBOOKS}/{name}"] = content
    return found


def _ways(name, repository):
    """The ways to run a notebook: Colab, a download, the script it is from.

    Colab opens what lies on GitHub; else the notebook is uploaded there.
    """
    way = COLAB
    if "//github.com/" in (repository or ""):
        place = repository.rstrip("/").split("//github.com/")[1]
        way = f"{COLAB}/github/{place}/blob/main/{NOTEBOOKS}/{name}.ipynb"
    return (
        f"[Open in Colab]({way}){{ .badge }} "
        f"[Notebook]({name}.ipynb){{ .badge download }} "
        f"[Script](../guides/{name}.py){{ .badge }}"
    )


def _scripts():
    """The scripts of `examples/`, each a page, and the list of these."""
    found, lines = {}, []
    for path in sorted(ROOT.glob("examples/*.py")):
        code = path.read_text()
        first = ast.get_docstring(ast.parse(code)).splitlines()[0]
        lines.append(f"| [{path.name}]({path.stem}.md) | {first} |")
        found[f"examples/{path.stem}.md"] = (
            f"# {path.name}\n\n```python\n{code}```\n"
        )
    table = "\n".join(["| script | what it shows |", "|---|---|", *lines])
    return found | {"examples/index.md": f"# Examples\n\n{table}\n"}


def _api():
    """The pages of docstrings: each public name of the package."""
    package = griffe.load("keras_ban", search_paths=[ROOT])
    found = {}
    for title, names in TOP.items():
        found[f"api/{title}.md"] = _described(f"keras_ban: {title}", names)
    for room in ROOMS:
        module = package[room]
        names = module.exports or [
            name
            for name, member in module.members.items()
            if member.is_public and not member.is_alias
        ]
        names = [name for name in names if not module[name].is_attribute]
        text = module.docstring.value.split("\n\n")[0]
        names = [f"{room}.{name}" for name in names]
        found[f"api/{room}.md"] = _described(f"keras_ban.{room}", names, text)
    shown = {name for names in TOP.values() for name in names}
    rooms = {room.split(".")[0] for room in ROOMS}
    left = set(package.exports) - shown - rooms - {"__version__"}
    if left:
        raise ValueError(f"No place in the pages of the API for {left}")
    return found


def _described(title, names, text=""):
    directives = "\n\n".join(f"::: keras_ban.{name}" for name in names)
    return f"# {title}\n\n{text}\n\n{directives}\n"


def _rooms():
    """How the package is built: its rooms, from the top of the layers down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    lines = [
        "# The rooms of the package\n",
        "Imports point down this list, never up. What changes it must pass is "
        "said in [Contributing](CONTRIBUTING.md).\n",
        "| room | what lives there |",
        "|---|---|",
    ]
    for layer in contract["layers"]:
        for name in layer.split(" | "):
            path = PACKAGE / name / "__init__.py"
            path = path if path.exists() else PACKAGE / f"{name}.py"
            first = ast.get_docstring(ast.parse(path.read_text()))
            lines.append(f"| `{name}` | {first.splitlines()[0]} |")
    return "\n".join(lines) + "\n"


def _citation():
    """How to cite: CITATION.cff, and the method's paper."""
    text = (ROOT / "CITATION.cff").read_text()
    cited = yaml.safe_load(text)
    authors = cited["authors"][0]["name"]
    (paper,) = cited["references"]
    names = " and ".join(
        f"{author['family-names']}, {author['given-names']}"
        for author in paper["authors"]
    )
    entries = (
        f"@software{{keras_ban,\n  title = {{{cited['title']}}},\n"
        f"  author = {{{{{authors}}}}},\n"
        f"  version = {{{cited['version']}}}\n}}\n\n"
        f"@inproceedings{{furlanello2018born,\n"
        f"  title = {{{paper['title']}}},\n  author = {{{names}}},\n"
        f"  booktitle = {{{paper['conference']['name']}}},\n"
        f"  year = {{{paper['year']}}}\n}}"
    )
    return (
        f"# How to cite\n\n{cited['message']}\n\n```bibtex\n{entries}\n```\n\n"
        f"`CITATION.cff` says the same:\n\n```yaml\n{text}```\n"
    )
