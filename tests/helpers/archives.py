"""Model files, taken apart and put together again."""

import zipfile


def parts(model, path):
    """The members of the file that a model is saved to, by name."""
    model.save(path)
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def pack(path, held):
    """Writes a file of these members."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in held.items():
            file.writestr(name, content)
