"""Computes the outputs of a teacher for all examples; workers take turns."""

import functools
import hashlib
import io
import itertools

import keras
import numpy as np

from keras_ban.feeding.samples import row_fingerprints
from keras_ban.teaching import topk
from keras_ban.teaching.outputs import Outputs
from keras_ban.teaching.store import Store


def fill(cache, teacher, examples, views, folder, cluster, watch):
    """The outputs of a teacher for all examples, and all their views.

    Several workers compute their shares side by side. The chief has them in
    the directory; the others too, if they see it, else in a temporary one.

    Args:
        cache: The `TeacherCache` that says how they are kept.
        teacher: A `Teacher`.
        examples: The `Examples`.
        views: The `Views` that the teacher is shown.
        folder: Where in the cache's directory they are kept.
        cluster: The `Cluster` of workers.
        watch: Called after each batch; what it raises ends it.

    Returns:
        `Outputs`.

    Raises:
        ValueError: If the data differs from one pass to the next, or if the
            directory holds the outputs of another teacher or of other data.
    """
    rows, starts = fingerprints(examples)
    made_of = {
        "teacher": teacher.fingerprint(examples),
        "data": _digest([rows]),
        "dtype": cache.dtype,
        "top_k": cache.top_k,
        "views": views.count,
        "augment": _digest_of_view(views, examples) if views.augment else None,
    }
    if teacher.names:
        made_of["outputs"] = teacher.names
    directory = cache.directory and cache.directory / folder
    store = Store(directory, made_of, len(rows), cluster)
    outputs = Outputs(store, starts, None if examples.is_fixed else rows)

    def give(view, batches):
        shown = []
        for numbers, x, y in batches:
            outputs.check(x, numbers)
            shown.append((views.shown(x, y, numbers, view), numbers))
        found = teacher.computed_beside(shown)
        return [
            _kept(scores, cache, numbers)
            for scores, (_, numbers) in zip(found, shown, strict=True)
        ]

    with store.open() as is_complete:
        if not is_complete:
            computed = (
                (view, numbers, encoded)
                for view in range(views.count)
                for numbers, encoded in _in_turns(
                    examples.numbered(),
                    functools.partial(give, view),
                    cluster,
                    teacher.places,
                    functools.partial(store.exchange, view),
                )
            )
            first = next(computed)
            store.create(first[2], len(rows), views.count)
            for view, numbers, encoded in itertools.chain([first], computed):
                store.write(view, numbers, encoded)
                watch()
            store.close()
    return outputs


def fingerprints(examples, limit=None):
    """Fingerprints of all examples, and the number of each batch's first.

    Args:
        examples: The `Examples`.
        limit: Number of batches to read. Defaults to `None`, a whole pass.
    """
    found, starts = [], []
    for numbers, x, _ in examples.numbered(limit):
        found.append(row_fingerprints(x))
        starts.append(int(numbers[0]))
    return np.concatenate(found), starts


def encode(logits, cache):
    """What is kept of logits, a tuple of arrays.

    Raises:
        ValueError: If more of the largest are to be kept than there are.
    """
    if cache.top_k is None:
        # What is too large is named by the caller.
        with np.errstate(over="ignore"):
            return (np.asarray(logits, cache.dtype),)
    check_classes(cache, logits.shape[-1])
    found = topk.encode(logits, cache.top_k, cache.dtype)
    return tuple(np.asarray(part) for part in found)


def check_kept(logits, kept, cache, numbers=None):
    """Checks that the outputs of a teacher are numbers, and stay so.

    Args:
        logits: The outputs.
        kept: What `encode` makes of them.
        cache: The `TeacherCache`.
        numbers: The numbers of the examples. Defaults to `None`: from 0.

    Raises:
        ValueError: If they do not.
    """
    dtype = cache.dtype
    for values, words, way_out in (
        (
            logits,
            "NaN or infinity",
            "Check its weights, and this example.",
        ),
        (
            kept[0],
            f"logits that do not fit into {dtype}",
            "Keep them as `TeacherCache(dtype='float32')`.",
        ),
    ):
        bad = ~np.isfinite(values)
        if bad.any():
            at = tuple(np.argwhere(bad)[0])
            number = at[0] if numbers is None else numbers[at[0]]
            raise ValueError(
                f"The teacher gives {words}. Expected finite logits, of at "
                f"most {np.finfo(dtype).max}. Received: {logits[at]} for the "
                f"example {number}. {way_out}"
            )


def check_classes(cache, classes):
    """Checks that there are more classes than are kept of them.

    Raises:
        ValueError: If there are not.
    """
    if cache.top_k and cache.top_k >= classes:
        raise ValueError(
            f"`top_k` must be less than the {classes} classes. Received: "
            f"{cache.top_k}. Leave it out to keep all logits."
        )


def _kept(scores, cache, numbers):
    """What is kept of the scores of a batch, a tuple of arrays."""
    found = ()
    # In the order of the names, where there are several outputs.
    for logits in keras.tree.flatten(scores):
        kept = encode(logits, cache)
        check_kept(logits, kept, cache, numbers)
        found += kept
    return found


def _in_turns(batches, function, cluster, places, exchange):
    """Yields numbers and outputs of each batch; workers take turns.

    The outputs are `None` where another worker writes them.

    Args:
        batches: Numbers, inputs and labels of each.
        function: Function from some of them to a list of their outputs.
        cluster: The `Cluster` of workers.
        places: How many a worker computes at a time.
        exchange: Function from the first of a batch's numbers, the number of
            the worker that has its outputs, and there their bytes, to these
            where they are written.
    """
    while group := list(itertools.islice(batches, cluster.size * places)):
        shares = [
            group[start : start + places]
            for start in range(0, cluster.size * places, places)
        ]
        own = shares[cluster.number]
        computed = function(own) if own else []
        if not cluster.several:
            for (numbers, *_), found in zip(own, computed, strict=True):
                yield numbers, found
            continue
        for source, share in enumerate(shares):
            for place, (numbers, *_) in enumerate(share):
                content = None
                if source == cluster.number:
                    content = _packed(computed[place])
                content = exchange(numbers[0], source, content)
                yield numbers, content and _unpacked(content)


def _packed(arrays):
    file = io.BytesIO()
    np.savez(file, *arrays)
    return file.getvalue()


def _unpacked(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return [file[name] for name in file.files]


def _digest_of_view(views, examples):
    numbers, x, y = next(examples.numbered())
    return _digest(keras.tree.flatten(views.shown(x, y, numbers, 0)))


def _digest(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.asarray(array).tobytes())
    return digest.hexdigest()
