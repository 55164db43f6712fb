"""The trials that run, as a watcher shows them: those that are trained as one are one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bomix.execution.groups import named
from bomix.progress import Progress
from bomix.report.shown import LARGE
from bomix.trial import CONFIRM, Trial


@dataclass
class Together:
    """Trials that are trained in one process.

    Attributes:
        trials: Those that have not ended.
        grouped: Whether there were several.
        progress: How far they are; None before the first report.
    """

    trials: list[Trial]
    grouped: bool = False
    progress: Progress | None = None

    @property
    def name(self) -> str:
        """``trial 3``, or ``trials 0-15 (16 as one)``."""
        return name_of(*self.trials)

    @property
    def origins(self) -> str:
        """Who proposed them."""
        return ", ".join(dict.fromkeys(trial.origin for trial in self.trials))


class RunningTrials:
    """What runs, by the trials that are in it."""

    def __init__(self) -> None:
        self._found: dict[int, Together] = {}

    def __iter__(self) -> Iterator[Together]:
        return iter({id(each): each for each in self._found.values()}.values())

    def positions(self) -> list[str]:
        """How far each is that said so: ``trials 0-15 (16 as one) step 30/120, 14,000 tokens/s``."""
        return [f"{each.name} {position(each.progress, losses=False)}" for each in self if each.progress is not None]

    def under_way(self) -> float:
        """How much of what runs is done, in trials."""
        shares = ((len(each.trials), each.progress) for each in self)
        return sum(count * known.step / known.steps for count, known in shares if known is not None and known.steps > 0)

    def group(self, trials: Sequence[Trial]) -> None:
        """Have some trials run as one."""
        together = Together(list(trials), grouped=len(trials) > 1)
        self._found |= {trial.id: together for trial in trials}

    def start(self, trial: Trial) -> None:
        """Have a trial run, alone where it is in no group."""
        if trial.id not in self._found:
            self.group([trial])

    def end(self, trial: Trial) -> None:
        """A trial runs no longer; nothing happens where it did not."""
        if (together := self._found.pop(trial.id, None)) is not None:
            together.trials.remove(trial)

    def report(self, trial: Trial, progress: Progress) -> Together | None:
        """Take a report of a trial.

        Returns:
            What it runs in, where that is further than before; None where the others of a group have said so. Of a
            group, reports of all of it count, as they have its speed, and those of single trials where there are none.
        """
        self.start(trial)
        together = self._found[trial.id]
        known = together.progress
        if together.grouped and known is not None:
            if progress.trial is not None and (known.trial is None or known.step == progress.step):
                return None
            if progress == known:
                return None
        together.progress = progress
        return together


def name_of(*trials: Trial) -> str:
    """What some trials that run as one are called: ``trial 3``, ``confirming trials 16-21 (6 as one)``."""
    what = "confirming trial" if all(trial.origin == CONFIRM for trial in trials) else "trial"
    return f"{what} {trials[0].id}" if len(trials) == 1 else f"{what}s {named(trials)} ({len(trials)} as one)"


def parting(trials: Sequence[Trial], message: str, width: int) -> str:
    """That trials ended with their group, and in how small a one they are tried again."""
    how = f"at most {width} as one" if width > 1 else "alone"
    what = "trial" if len(trials) == 1 else "trials"
    return f"{what} {named(trials)} ended with the group, trying again {how}: {message}"


def losses_of(losses: Mapping[str, float]) -> str:
    """``code 2.113 web 1.950``, the first six where there are many."""
    shown = [
        f"{name} {loss:.3f}" if abs(loss) < LARGE else f"{name} {loss:.6g}" for name, loss in list(losses.items())[:6]
    ]
    return " ".join(shown) + (" ..." if len(losses) > 6 else "")


def position(progress: Progress, *, losses: bool = True) -> str:
    """How far a training is: ``step 30/120, 14,000 tokens/s``, and the newest losses."""
    text = f"step {progress.step}/{progress.steps}, {progress.tokens_per_second:,.0f} tokens/s"
    return f"{text} {losses_of(progress.losses)}".rstrip() if losses else text
