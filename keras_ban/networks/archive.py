"""What a `.keras` file may hold, looked at before Keras builds anything of it.

Keras' safe mode refuses code in a configuration. What it refuses differs with
its version: some run a SavedModel, read files that a configuration names, or
follow a link in the weights to another file.
"""

import io
import pathlib
import stat
import zipfile

import h5py
import keras

from keras_ban import files

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = {_CONFIG, _WEIGHTS, "metadata.json"}
_ASSETS = "assets"
_COUNT = 10_000
_CONFIG_BYTES = 2**28
# Keras does not compress. Who did so later gained less than this.
_EXPANSION = 100
_SLACK = 2**26
# Layers in layers have some dozens.
_LEVELS = 500

# Layers that run what stands elsewhere, or what is code in a text.
_RUNNING = frozenset(["TFSMLayer", "TorchModuleWrapper", "__lambda__"])
# By these, Keras' own classes read files that are no part of the model.
_READING = frozenset(
    [
        "directory",
        "file_path",
        "filename",
        "filepath",
        "log_dir",
        "merges",
        "preset",
        "proto",
        "vocabulary",
    ]
)
# So many numbers Keras' own classes list, before anything is measured.
_LISTED = frozenset(["num_thresholds"])
_NUMBERS = 10**6
# Where Keras' functions stand that a network may be made of.
_FUNCTIONS = frozenset(
    [
        "activations",
        "constraints",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "ops",
        "random",
        "regularizers",
    ]
)
# And its classes beside these. All others write, read or configure.
_CLASSES = _FUNCTIONS | {
    "dtype_policies",
    "models",
    "optimizers",
    "quantizers",
    "src",
    "utils",
}


def check(path):
    """Checks that a model file holds a model, and nothing else.

    Args:
        path: The `pathlib.Path` of a `.keras` file.

    Returns:
        How many numbers its weights are.

    Raises:
        OSError: If it is no file.
        ValueError: If it holds something else, or would have Keras run code
            or read another file; or if it is damaged.
    """
    with files.open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = path.stat().st_size
                _check_members(archive, size)
                config = archive.read(_CONFIG)
                weights = archive.read(_WEIGHTS)
        except ValueError:
            raise
        except Exception as error:  # Whatever is made of somebody's bytes.
            raise ValueError(f"it is no archive of a model: {error}") from error
    check_config(files.parsed(config))
    return _check_weights(weights, size)


def compilation(path):
    """What a model was compiled with that `check` has looked at.

    Args:
        path: The `pathlib.Path` of a `.keras` file.

    Returns:
        A dict as `get_compile_config` gives it, or `None`.
    """
    with zipfile.ZipFile(path) as archive:
        return files.parsed(archive.read(_CONFIG)).get("compile_config")


def _check_members(archive, size):
    members = archive.infolist()
    if len(members) > _COUNT or len(members) > len(archive.NameToInfo):
        raise ValueError(f"it has {len(members)} parts, or two of one name.")
    for member in members:
        name, mode = member.filename, member.external_attr >> 16
        parts = pathlib.PurePosixPath(name).parts
        is_known = name in _MEMBERS or parts[:1] == (_ASSETS,)
        is_elsewhere = ".." in parts or "\\" in name or stat.S_ISLNK(mode)
        if not is_known or is_elsewhere:
            raise ValueError(
                f"it holds {ascii(name)[:80]}, which is no part of a model."
            )
    total = sum(member.file_size for member in members)
    if total > _EXPANSION * size + _SLACK:
        raise ValueError(
            f"it has {size} bytes and would fill {total}, more than a model."
        )
    if archive.getinfo(_CONFIG).file_size > _CONFIG_BYTES:
        raise ValueError(f"its {_CONFIG} has more than {_CONFIG_BYTES} bytes.")


def check_config(config):
    """Checks that a configuration names nothing that runs or reads elsewhere.

    Args:
        config: What `keras.saving.serialize_keras_object` gives: a tree.

    Raises:
        ValueError: If it does, at any depth.
    """
    left = [config]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                _check_object(node)
            left += node.values()
        elif isinstance(node, list):
            left += node


def _check_object(node):
    """Checks one serialized object; what is in it comes by itself."""
    name, module = node["class_name"], node.get("module") or ""
    known = node.get("registered_name", name)
    is_function = name == "function"
    if is_function:
        name = known = node.get("config")
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError(f"it names a class {ascii(name)[:80]}.")
    own = isinstance(known, str) and keras.saving.get_registered_object(known)
    if own:
        _check_own(own, name)
        return
    if name in _RUNNING:
        raise ValueError(f"its {name} runs code that comes with a file.")
    if module.split(".")[0] == "keras":
        _check_of_keras(name, module, is_function or name[:1].islower())
    config = node.get("config")
    if isinstance(config, dict):
        _check_files(name, config)
        _check_counts(name, config)


def _check_own(own, name):
    """A class that the script has registered, unless it is one of these."""
    bases = {base.__name__ for base in getattr(own, "__mro__", ())}
    for base in bases & _RUNNING:
        raise ValueError(
            f"its {name!a}, a {base}, runs code that comes with a file."
        )


def _check_of_keras(name, module, is_function):
    place = module.split(".")[1:2]
    allowed = _FUNCTIONS | {"src"} if is_function else _CLASSES
    if "." in name or (place and place[0] not in allowed):
        raise ValueError(
            f"its {ascii(f'{module}.{name}')[:80]} is no part of a network."
        )


def _check_files(name, config):
    for key in _READING.intersection(config):
        if isinstance(config[key], str) and config[key]:
            raise ValueError(
                f"its {ascii(name)[:80]} reads a file that is no part of it: "
                f"{key!r} is {ascii(config[key])[:80]}."
            )


def _check_counts(name, config):
    for key in _LISTED.intersection(config):
        if isinstance(config[key], int) and config[key] > _NUMBERS:
            raise ValueError(
                f"its {ascii(name)[:80]} would list {ascii(config[key])[:80]} "
                f"numbers: {key!r} is {_NUMBERS} at most."
            )


def _check_weights(content, size):
    """Checks that the weights are all in the file; returns their number."""
    count, left = 0, _EXPANSION * size + _SLACK
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            for path, item in _items(file):
                if not isinstance(item, h5py.Dataset):
                    continue
                if item.external or item.is_virtual:
                    raise ValueError(f"its weights {path} are elsewhere.")
                is_text = h5py.check_string_dtype(item.dtype) is not None
                if item.dtype.hasobject and not is_text:
                    raise ValueError(f"its weights {path} are no numbers.")
                count += item.size or 0
                left -= (item.size or 0) * item.dtype.itemsize
                if left < 0:
                    raise ValueError(
                        "its weights would fill more than a model."
                    )
    except ValueError:
        raise
    except Exception as error:  # Whatever is made of somebody's bytes.
        raise ValueError(f"its weights are damaged: {error}.") from error
    return count


def _items(file):
    """Yields all that is in an HDF5 file with its path, each thing once."""
    left, seen = [("", file)], set()
    while left:
        path, group = left.pop()
        if path.count("/") > _LEVELS:
            raise ValueError("its weights are nested too deep.")
        for name in group:
            inner = f"{path}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its weights {ascii(inner)[:80]} are a link.")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address not in seen:
                seen.add(address)
                yield inner, item
                if isinstance(item, h5py.Group):
                    left.append((inner, item))
