"""Ten acoustic models distilled into one, on real spoken digits.

`python benchmarks/speech.py --folder fsdd.zip` trains what
`examples/speech_ensemble.py` trains, on the customary split and with each
speaker left out in turn, for three seeds, and adds a line for each network and
seed to `results/speech.jsonl`; about half an hour on two cores. What is there
is not trained again: run it anew after an interruption; with `--directory`
trainings resume too. `--table` prints the tables of what is there.

On the customary split the validation recordings choose the temperature with
which one network learns from ten; it is that of the speakers left out.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))

import speech_ensemble
import speech_tables

from keras_ban.data import speech

LINES = pathlib.Path(__file__).parent / "results" / "speech.jsonl"
CUSTOMARY = "customary"
DIGITS = 4
MEASURES = "validation", "frames", "digits", "strings"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", help="the recordings, or their archive")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--splits", nargs="+", help="names of some: default all"
    )
    parser.add_argument("--lines", default=LINES, help="where they are written")
    parser.add_argument("--directory", help="keep the runs here, and resume")
    parser.add_argument("--table", action="store_true", help="print, no more")
    parser.add_argument("--tiny", action="store_true", help="to try it out")
    arguments = parser.parse_args()
    lines = pathlib.Path(arguments.lines)
    if not arguments.table:
        if not arguments.folder:
            parser.error("--folder with the recordings is needed to train")
        train(arguments, lines)
    print("\n\n".join(tables(read(lines))))


def train(arguments, path):
    """Adds the lines of all splits that are not there."""
    seeds = list(range(arguments.seeds))
    settings = speech_ensemble.Settings()
    if arguments.tiny:
        settings = speech_ensemble.QUICK._replace(teachers=2, every=40)
    recordings = speech.load(arguments.folder)
    for leave_out in (None, "all"):
        for name, parts in speech_ensemble.splits(recordings, leave_out):
            wanted = not arguments.splits or name in arguments.splits
            if not wanted or are_there(read(path), name, seeds):
                continue
            if leave_out:
                settings = of_speakers(settings, read(path))
            write(path, name, measured(name, parts, settings, arguments))


def measured(name, parts, settings, arguments):
    """The lines of a split."""
    directory = arguments.directory
    study = speech_ensemble.Study(
        speech_ensemble.task_of(*parts, settings),
        settings,
        directory and pathlib.Path(directory, name),
    )
    return study.lines(list(range(arguments.seeds)))


def of_speakers(settings, lines):
    """What is trained of speakers left out: no sequence, one temperature."""
    customary = [line for line in lines if line["split"] == CUSTOMARY]
    if not customary:
        raise SystemExit(
            "The temperature is chosen on the customary split, of which there "
            f"are no lines. Measure it first: --splits {CUSTOMARY}"
        )
    best = speech_tables.Scores(customary).best()
    chosen = [
        t for t in settings.temperatures if speech_tables.distilled(t) == best
    ]
    return settings._replace(
        temperatures=tuple(chosen or settings.temperatures), generations=0
    )


def read(path):
    """The lines that are there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def are_there(lines, split, seeds):
    """Whether all seeds of a split are there: they are written together."""
    found = {line["seed"] for line in lines if line["split"] == split}
    return found >= set(seeds)


def write(path, split, lines):
    """Adds the lines of a split, in place of those of fewer seeds."""
    path.parent.mkdir(exist_ok=True)
    others = [line for line in read(path) if line["split"] != split]
    text = [json.dumps(line) for line in others]
    text += [json.dumps({"split": split, **_rounded(line)}) for line in lines]
    path.write_text("\n".join(text) + "\n")


def tables(lines):
    """Yields a table for each split, and one of the mean over speakers."""
    splits = list(dict.fromkeys(line["split"] for line in lines))
    for split in splits:
        found = [line for line in lines if line["split"] == split]
        yield speech_tables.table(found, split)
    speakers = [line for line in lines if line["split"] != CUSTOMARY]
    if len(splits) > 2:
        yield speech_tables.table(
            over_speakers(speakers), "mean over the speakers left out"
        )


def over_speakers(lines):
    """Lines of the mean over the splits, one for each network and seed."""
    found = {}
    for line in lines:
        found.setdefault((line["name"], line["seed"]), []).append(line)
    return [
        {
            "name": name,
            "seed": seed,
            **{measure: _mean(of, measure) for measure in MEASURES},
        }
        for (name, seed), of in found.items()
    ]


def _mean(lines, measure):
    return sum(line[measure] for line in lines) / len(lines)


def _rounded(line):
    return {**line, **{m: round(line[m], DIGITS) for m in MEASURES}}


if __name__ == "__main__":
    main()
