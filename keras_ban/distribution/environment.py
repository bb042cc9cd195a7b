"""What the environment says of a cluster, checked before it is used."""

import json
import os

_EXAMPLE = (
    '{"cluster": {"worker": ["host:port", "host:port"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_WEEK = 7 * 24 * 60 * 60
_SHOWN = 400


def check():
    """Checks the variables that tell of other workers.

    Raises:
        ValueError: If `TF_CONFIG`, `SLURM_STEP_NUM_TASKS` or
            `KERAS_BAN_JOIN_SECONDS` is set, and not as it is meant.
    """
    _check_number(
        "KERAS_BAN_JOIN_SECONDS",
        _WEEK,
        "a whole number of seconds from 1 to 604800, a week",
        "Correct it, or take it out of the environment for 40 seconds.",
    )
    if "TF_CONFIG" in os.environ:
        wrong = _wrong(os.environ["TF_CONFIG"])
        if wrong:
            _refuse(
                "TF_CONFIG",
                f"JSON like {_EXAMPLE}",
                "Correct it, or take it out of the environment to train in "
                "this process alone.",
                f"{wrong}. ",
            )
        return
    _check_number(
        "SLURM_STEP_NUM_TASKS",
        10**6,
        "the number of tasks, a whole number of at least 1",
        "Start the script by `srun`, which sets it, or take it out of the "
        "environment to train in this process alone.",
    )


def _check_number(name, maximum, expected, way_out):
    text = os.environ.get(name)
    if text is None:
        return
    try:
        is_valid = 1 <= int(text) <= maximum
    except ValueError:
        is_valid = False
    if not is_valid:
        _refuse(name, expected, way_out)


def _refuse(name, expected, way_out, wrong=""):
    received = os.environ[name]
    if len(received) > _SHOWN:
        received = f"{received[:_SHOWN]}..."
    raise ValueError(
        f"Invalid value of the environment variable {name}. {wrong}Expected "
        f"{expected}. Received: {received!r}. {way_out}"
    )


def _wrong(text):
    """What is wrong with a `TF_CONFIG`, or `None`."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"It is not JSON: {error}"
    if not isinstance(config, dict):
        return "It is no object"
    if "task" in config and "cluster" not in config:
        return "It has no `cluster`"
    cluster = config.get("cluster", {})
    if not isinstance(cluster, dict):
        return "`cluster` is no object"
    try:
        tasks = [
            ((job, number), address)
            for job, addresses in cluster.items()
            for number, address in _numbered(job, addresses)
        ]
        if tasks:
            _check_addresses([address for _, address in tasks])
            _check_jobs([task for task, _ in tasks])
            _check_task(config.get("task"), [task for task, _ in tasks])
    except ValueError as error:
        return str(error)
    return None


def _numbered(job, addresses):
    """The addresses of a job with their numbers, as TensorFlow takes them."""
    if isinstance(addresses, list):
        return list(enumerate(addresses))
    if not isinstance(addresses, dict):
        raise ValueError(f"`cluster` has no list of addresses for {job!r}")
    found = [(_index(key, f"of {job!r}"), a) for key, a in addresses.items()]
    if sorted(number for number, _ in found) != list(range(len(found))):
        raise ValueError(f"The addresses of {job!r} are not numbered from 0")
    return found


def _check_addresses(addresses):
    # Platforms tell a process that is alone of a port 0.
    minimum = int(len(addresses) > 1)
    for address in addresses:
        host, _, port = (
            address.rpartition(":") if isinstance(address, str) else [""] * 3
        )
        is_number = port.isascii() and port.isdigit() and len(port) <= 5
        if not (host and is_number and minimum <= int(port) < 2**16):
            raise ValueError(
                f"The address {address!r} is not 'host:port', with a port "
                f"from {minimum} to 65535"
            )
    twice = {a for a in addresses if addresses.count(a) > 1}
    if twice:
        raise ValueError(f"Two tasks have the address {min(twice)!r}")


def _check_jobs(tasks):
    if ("chief", 1) in tasks:
        raise ValueError("It has more than one chief")
    if len(tasks) > 1 and not {"chief", "worker"} & {job for job, _ in tasks}:
        raise ValueError("It has neither a chief nor workers")


def _check_task(task, tasks):
    if task is None:
        raise ValueError("It has no `task`, which says who this process is")
    if not isinstance(task, dict) or not {"type", "index"} <= set(task):
        raise ValueError("`task` has no `type` and `index`")
    own = task["type"], _index(task["index"], "of the task")
    trains = [t for t in tasks if t[0] in ("chief", "worker")]
    if own not in (trains or tasks):
        raise ValueError(
            "This process has no part in the training: its task is none of "
            f"{trains or tasks}. Received: {own}"
        )


def _index(value, what):
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"The index {what} is no whole number: {value!r}")
    try:
        return int(value)
    except ValueError as error:
        raise ValueError(
            f"The index {what} is no whole number: {value!r}"
        ) from error
