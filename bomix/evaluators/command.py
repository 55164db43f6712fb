"""Any trainer: a command that reads a mixture from a JSON file and writes the losses to another."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bomix.config.build import FILLED
from bomix.config.secret import NOT_KEPT, SECRET
from bomix.config.sections import MetricSpec, declared_metrics, metric_faults
from bomix.contracts.preparation import Preparation
from bomix.contracts.repetition import Matching
from bomix.errors import EvaluationError, Fault, FaultsError, did_you_mean, killed_by, raise_faults
from bomix.io.store import files
from bomix.io.store.incoming import RESULT_LIMIT, read_result
from bomix.scale import Scale
from bomix.space.phases import Phases
from bomix.trial import EXPERT, Result, Trial

if TYPE_CHECKING:
    import psutil

_OF_PHASES = ("mixture_first", "mixture_last")
"""Placeholders that only a study of two phases can fill: the mixture of each, in a file of its own."""
PLACEHOLDERS = (
    *("mixture", "result", "workdir", "trial", "seed", "params", "tokens", "scale", "available"),
    *_OF_PHASES,
)
_OF_SCALE = ("params", "tokens", "scale", "available")
"""Placeholders that only a study of several scales can fill."""
_NEEDS = {"available": "tokens"}
"""Placeholder to the key of a scale that it follows from, where that has another name."""
_LAST_BREATH_S = 10.0
"""Seconds that are waited for killed processes to be gone: the device's memory is free then, and one that never goes
must not hold up the study."""
_GRACE_S = 10.0
"""Seconds that a program has between SIGTERM and SIGKILL, to save what it has; as long as ``execution.grace_s``."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclasses.dataclass(frozen=True)
class Command:
    """Runs a command per trial.

    The mixture file is ``{"trial": 7, "seed": 0, "weights": {"web": 0.5, ...}}``, in a study of several scales with
    ``"scale": {"name": "small", "params": 1000000, "tokens": 50000000}`` in it; the command writes
    ``{"losses": {metric: x}, "sems": {}, "realized": {}, "epochs": {}, "cost": s}``, all but ``losses`` optional.
    ``cost`` is the wall time where the command does not say. Where trials are to repeat each domain as the target will
    (``target.match_epochs``), the mixture file has ``"available": {"web": 120000, ...}`` as well, the tokens of each
    domain that the run may see; ``{available}`` is a file of these alone, ``{}`` where all text may be seen.

    In a study of two phases the weights are those of the whole run, and ``"phases": {"pretrain": {"share": 0.8,
    "weights": {...}}, "anneal": {...}}`` the mixture of each, the first phase first; ``realized`` and ``epochs`` are by
    phase then, ``{"pretrain": {"web": 0.9, ...}, "anneal": {...}}``.

    Attributes:
        argv: The program and its arguments; ``{mixture}``, ``{result}``, ``{workdir}``, ``{trial}`` and ``{seed}``
            are replaced, the first three by absolute paths; in a study of several scales ``{scale}``, ``{params}`` and
            ``{tokens}`` as well, by the name and the numbers of the trial's, and ``{available}``, which says that the
            command keeps to what it names; in one of two phases ``{mixture_first}`` and ``{mixture_last}``, files with
            the mixture of one phase as its weights. The environment has
            ``BOMIX_MIXTURE``, ``BOMIX_RESULT``, ``BOMIX_WORKDIR``, ``BOMIX_TRIAL``, ``BOMIX_SEED``, ``BOMIX_SLOT``, and
            of several scales ``BOMIX_SCALE``, ``BOMIX_PARAMS`` and ``BOMIX_TOKENS``.
        metrics: Names of the losses it writes, or name to unit and direction.
        cwd: The folder that the command runs in, relative to the study folder.
        timeout_s: Seconds after which it is ended and the attempt counts as failed: SIGTERM, and SIGKILL after ten
            seconds.
        scale_name: The scale that it trains at; a study of several fills it.
        matching: What text trials may see; a study fills it.
        phases: The phases of the study, which fills it; None where a run has one mixture.
        environment: Variables to set. Their values are kept out of ``resolved.json`` and ``results.nc``, and those of
            six characters or more out of logs.
    """

    may_change: ClassVar[tuple[str, ...]] = ("argv", "cwd", "timeout_s", "environment")
    """What does not change what is measured, in the user's own judgement; frozen are the metrics."""

    argv: tuple[str, ...]
    metrics: tuple[str, ...] | Mapping[str, MetricSpec]
    cwd: str = "."
    timeout_s: float | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, metadata={SECRET: True})
    scale_name: str | None = dataclasses.field(default=None, metadata={FILLED: "scale"})
    matching: Matching | None = dataclasses.field(default=None, metadata={FILLED: "matching"})

    @property
    def matches_epochs(self) -> bool:
        """Whether the command asks for the tokens that it may see, and so reads no more."""
        return any("available" in _PLACEHOLDER.findall(argument) for argument in self.argv)

    phases: Phases | None = dataclasses.field(default=None, metadata={FILLED: "phases"})

    def faults(self) -> list[Fault]:
        """An empty command, no metrics, a placeholder that does not exist."""
        faults = []
        if not self.argv:
            faults.append(Fault("argv", "expected a program and its arguments"))
        faults += metric_faults(self.metrics)
        if not self.metrics:
            faults.append(Fault("metrics", "name the losses that the command writes"))
        for position, argument in enumerate(self.argv):
            for name in _PLACEHOLDER.findall(argument):
                if name not in PLACEHOLDERS:
                    known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                    hint = did_you_mean(name, PLACEHOLDERS)
                    faults.append(Fault(f"argv[{position}]", f"unknown placeholder {{{name}}}{hint} (known: {known})"))
        if self.timeout_s is not None and self.timeout_s <= 0:
            faults.append(Fault("timeout_s", f"expected a positive number of seconds, found {self.timeout_s:g}"))
        return faults

    def relative_to(self, folder: Path) -> Command:
        """The same command, run relative to ``folder``."""
        return dataclasses.replace(self, cwd=str((folder / self.cwd).resolve()))

    def at_scale(self, name: str, scale: Scale) -> Command:
        """The command that trains at one of several scales of a study.

        Raises:
            FaultsError: It asks for numbers of the scale that are unknown.
        """
        sizes = {**scale.to_data(), "available": scale.tokens}
        faults = [
            Fault(
                f"scales.{name}.{_NEEDS.get(key, key)}",
                (f"evaluator.argv[{position}] asks for {{{key}}}, which is unknown; state it"),
            )
            for position, argument in enumerate(self.argv)
            for key in _PLACEHOLDER.findall(argument)
            if key in sizes and sizes[key] is None
        ]
        raise_faults(faults)
        return dataclasses.replace(self, scale_name=name)

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """Look whether the program is there.

        Raises:
            FaultsError: The program or its folder is not there.
        """
        faults = []
        if self.scale_name is None:
            faults += self._asks_for(_OF_SCALE, "is known in a study of several scales alone; name 'scales'")
        if self.phases is None:
            faults += self._asks_for(_OF_PHASES, "is known in a study of two phases alone; name 'phases'")
        if not Path(self.cwd).is_dir():
            faults.append(Fault("evaluator.cwd", f"there is no folder {self.cwd}"))
        elif _found(self.argv[0], self.cwd) is None:
            faults.append(
                Fault("evaluator.argv[0]", f"there is no program '{self.argv[0]}'; give its path or install it")
            )
        faults += [
            Fault(f"evaluator.environment.{name}", "its value is not kept in a study's folder; give it again")
            for name, value in self.environment.items()
            if value == NOT_KEPT
        ]
        raise_faults(faults)
        return Preparation(metrics=declared_metrics(self.metrics))

    def _asks_for(self, names: Sequence[str], why: str) -> list[Fault]:
        """A fault for each of some placeholders among the arguments."""
        return [
            Fault(f"evaluator.argv[{position}]", f"{{{name}}} {why}")
            for position, argument in enumerate(self.argv)
            for name in _PLACEHOLDER.findall(argument)
            if name in names
        ]

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Run the command.

        Raises:
            EvaluationError: It failed, took too long, or wrote no usable result.
        """
        paths = {"mixture": workdir / "mixture.json", "result": workdir / "command-result.json", "workdir": workdir}
        values = {name: str(path.resolve()) for name, path in paths.items()}
        values |= {"trial": str(trial.id), "seed": str(trial.seed)}
        mixture: dict[str, object] = {"trial": trial.id, "seed": trial.seed, "weights": dict(trial.weights)}
        if self.scale_name is not None and trial.scale is not None:
            sizes = trial.scale.to_data()
            mixture["scale"] = {"name": self.scale_name, **sizes}
            values |= {
                "scale": self.scale_name,
                **{key: str(sizes[key]) for key in _OF_SCALE if sizes.get(key) is not None},
            }
        if (available := self._available(trial)) or self.matches_epochs:
            mixture |= {"available": available} if available else {}
            values["available"] = str((workdir / "available.json").resolve())
            files.replace(workdir / "available.json", json.dumps(available, indent=1) + "\n")
        if self.phases is not None:
            values |= self._phase_files(trial, mixture, workdir)
        files.replace(paths["mixture"], json.dumps(mixture, indent=1) + "\n")
        argv = [_PLACEHOLDER.sub(lambda match: values[match[1]], argument) for argument in self.argv]
        started = time.monotonic()
        self._run(argv, values)
        elapsed = time.monotonic() - started
        try:
            text = files.read_bounded(paths["result"], RESULT_LIMIT)
        except (OSError, UnicodeDecodeError) as error:
            raise EvaluationError(
                f"{argv[0]} ended well but its result cannot be read ({error}); it must write JSON to {{result}}"
            ) from error
        try:
            declared = declared_metrics(self.metrics)
            directions = {metric.name: metric.direction for metric in declared}
            domains = self.phases or tuple(trial.weights)
            result = read_result(text, list(directions), domains, directions=directions)
        except FaultsError as error:
            raise EvaluationError(str(error)) from error
        return result if result.cost is not None else dataclasses.replace(result, cost=elapsed)

    def _available(self, trial: Trial) -> dict[str, int]:
        """Tokens of each domain that a trial may see; empty where it may see all, as experts may."""
        scale = trial.scale
        if self.matching is None or trial.origin == EXPERT or scale is None or scale.tokens is None:
            return {}
        return self.matching.whole_tokens(scale.tokens)

    def _phase_files(self, trial: Trial, mixture: dict[str, object], workdir: Path) -> dict[str, str]:
        """Put both mixtures of a trial into its data, and into a file each; placeholder to path."""
        assert self.phases is not None, "the caller looked"
        parts, paths = self.phases.split(trial.weights), {}
        mixture["weights"] = self.phases.aggregate(trial.weights)
        mixture["phases"] = {
            name: {"share": self.phases.share[name], "weights": weights} for name, weights in parts.items()
        }
        for placeholder, (name, weights) in zip(_OF_PHASES, parts.items(), strict=True):
            own = {"trial": trial.id, "seed": trial.seed, "phase": name, "share": self.phases.share[name]}
            path = workdir / f"{placeholder.replace('_', '-')}.json"
            files.replace(path, json.dumps({**own, "weights": weights}, indent=1) + "\n")
            paths[placeholder] = str(path.resolve())
        return paths

    def _run(self, argv: list[str], values: Mapping[str, str]) -> None:
        variables = {f"BOMIX_{name.upper()}": value for name, value in values.items()}
        try:
            # Standard output and error are the attempt's log already.
            process = subprocess.Popen(
                argv, cwd=self.cwd, env={**os.environ, **variables, **self.environment}, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise EvaluationError(f"cannot run {argv[0]}: {error}") from error
        try:
            code = process.wait(self.timeout_s)
        except subprocess.TimeoutExpired as error:
            end_program(process, grace_s=_GRACE_S)
            raise EvaluationError(f"{argv[0]} took longer than {self.timeout_s:g} s (evaluator.timeout_s)") from error
        if code < 0:
            raise EvaluationError(f"{argv[0]} was {killed_by(-code)}; its output is in the log")
        if code:
            raise EvaluationError(f"{argv[0]} exited with {code}; its output is in the log")


def end_program(process: subprocess.Popen[bytes], *, grace_s: float = 0.0) -> None:
    """Kill a program and all that it started: a retry must not share the device with what is left of it.

    Args:
        process: The program.
        grace_s: Seconds for them to end by SIGTERM before that; 0 sends none.
    """
    import psutil

    started = []
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    patience = time.monotonic() + grace_s
    if grace_s:
        process.terminate()
        for each in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.terminate()
    while time.monotonic() < patience and (process.poll() is None or any(map(_lives, started))):
        time.sleep(0.02)
    process.kill()
    for child in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
    # The kernel takes its time with a process that is killed, and until then the device's memory is not free.
    patience = time.monotonic() + _LAST_BREATH_S
    while any(map(_lives, started)) and time.monotonic() < patience:
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _found(program: str, cwd: str) -> str | None:
    if os.sep in program:
        path = Path(cwd) / program
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    return shutil.which(program)
