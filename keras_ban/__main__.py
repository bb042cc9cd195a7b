"""Looks at a run that is kept in a directory, and takes a model out of it.

python -m keras_ban show DIRECTORY
python -m keras_ban plot DIRECTORY [--out file.png]
python -m keras_ban export DIRECTORY PATH [--format onnx] [--model best]
"""

import argparse
import pathlib
import sys
import warnings

from keras_ban.generations import progress
from keras_ban.reporting import curves
from keras_ban.reporting import printed
from keras_ban.runs.directory import load
from keras_ban.runs.standing import standing
from keras_ban.shipping.formats import FORMATS

_FAILED = 2
# As it is said here.
_OVERWRITE = "or pass `overwrite=True`", "or pass `--overwrite`"


def main(arguments=None):
    """Does what the command line says; returns the exit status.

    Args:
        arguments: Those of the command line. Defaults to `sys.argv[1:]`.

    Returns:
        0, or 2 where something is wrong, which is then said in one line.
    """
    given = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _say_warning
        try:
            given.run(given)
        except (ImportError, OSError, ValueError) as error:
            _complain(str(error).replace(*_OVERWRITE))
            return _FAILED
    return 0


def _parser():
    lines = __doc__.split("\n")
    parser = argparse.ArgumentParser(
        "python -m keras_ban", description=lines[0]
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser(
        "show", help="what is finished, what is running, until when"
    )
    plot = commands.add_parser("plot", help="draws the metrics by epoch")
    export = commands.add_parser(
        "export", help="writes a model to be used elsewhere, and its card"
    )
    for one, function in ((show, _show), (plot, _plot), (export, _export)):
        one.set_defaults(run=function)
        one.add_argument("directory", help="the directory of a run")
    plot.add_argument("--out", help="an image file; else one of its name")
    export.add_argument("path", help="the file or folder to write")
    export.add_argument("--format", default="keras", choices=list(FORMATS))
    export.add_argument(
        "--model",
        default="best",
        help='"best", "ensemble", or the number or name of a generation',
    )
    export.add_argument(
        "--overwrite", action="store_true", help="replaces what is there"
    )
    return parser


def _show(given):
    for line in progress.told(standing(given.directory)):
        printed.say(line)


def _plot(given):
    found = standing(given.directory)
    path = given.out or f"{found.path.name}.png"
    histories = {}
    for part in filter(None, (found.teachers, found)):
        prefix = "teachers/" if part is found.teachers else ""
        for one in (*part.finished, *part.running):
            histories[f"{prefix}{one.name}"] = one.history
    curves.draw(histories, path, str(given.directory))
    printed.say(f"written: {path}")


def _export(given):
    model = given.model
    if model.removeprefix("-").isdecimal():
        model = int(model)
    exported = load(given.directory).export(
        pathlib.Path(given.path),
        given.format,
        model,
        overwrite=given.overwrite,
    )
    printed.say(
        f"written: {exported.path} and {exported.card.name}; loaded again, it "
        f"differs by {exported.difference:.2g} at most on {exported.rows} rows"
    )


def _say_warning(message, *rest, **options):
    _complain(message)


def _complain(what):
    text = printed.ascii(" ".join(str(what).split()))
    print(f"keras_ban: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
