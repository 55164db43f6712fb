"""Four records whose designs and losses come from NumPy alone, as study folders."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from layout import AtScale, records

import bomix

LLAMA = ("ArXiv", "Books", "C4", "CommonCrawl", "Github", "StackExchange", "Wikipedia")
PILE = (
    *("ArXiv", "DM Mathematics", "Enron Emails", "EuroParl", "FreeLaw", "Github", "Gutenberg (PG-19)", "HackerNews"),
    *("NIH ExPorter", "PhilPapers", "Pile-CC", "PubMed Abstracts", "PubMed Central", "Stack Exchange"),
    *("USPTO Backgrounds", "Ubuntu IRC", "Wikipedia (en)"),
)
NOISE = 0.01
"""Standard deviation of the noise of every loss, nats per token."""
SEED = 11


@dataclass(frozen=True)
class History:
    """A study that is told what a law says.

    Attributes:
        name: What its entries are called after.
        domains: ``d`` names, sorted.
        metrics: ``m`` names.
        trials: Completed trials of the record, experts aside.
        imported: How many of them, the last, were made elsewhere.
        gaps: Share of the losses that were not measured.
        experts: Whether every domain has an expert.
        tokens: Whether the tokens of the domains are known, and the target's: they cap weights.
        evaluator: Whether an evaluator says at which scale the trials are, of which experts have another.
        accuracy: A metric of which more is better, a share; the first or none.
    """

    name: str
    domains: tuple[str, ...]
    metrics: tuple[str, ...]
    trials: int
    imported: int = 0
    gaps: float = 0.0
    experts: bool = False
    tokens: bool = False
    evaluator: bool = False
    accuracy: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def rng(self) -> np.random.Generator:
        """Always the same numbers."""
        return np.random.default_rng([len(self.domains), len(self.metrics), self.trials])

    def study(self) -> dict[str, Any]:
        """The study file as plain data."""
        counts = 1e9 * 2.0 ** (np.arange(len(self.domains)) % 5)
        known = [{"tokens": float(count)} if self.tokens else {} for count in counts]
        data: dict[str, Any] = {
            "domains": dict(zip(self.domains, known, strict=True)),
            "seed": SEED,
            "budget": {"trials": self.trials + 20 + self.experts * len(self.domains)},
            "strategy": {"kind": "sobol"},
        }
        if self.tokens:
            data["target"] = {"tokens": float(counts.sum() / 2.0), "max_epochs": 3.0}
        if self.evaluator:
            fields = {"metrics": list(self.metrics), "params": 10_000_000, "tokens": 200_000_000}
            data["evaluator"] = {"kind": f"{AtScale.__module__}:AtScale", **fields}
            data["experts"] = {"train": "always", "tokens": 50_000_000}
        elif self.accuracy:
            units = {"unit": "accuracy", "direction": "max"}
            data["metrics"] = {name: {} if number else units for number, name in enumerate(self.metrics)}
        else:
            data["metrics"] = list(self.metrics)
        return {**data, **self.more}

    def mixtures(self, count: int, *, seed: int) -> np.ndarray:
        """``count x d`` mixtures; every other one lacks about a third of the domains, every one but one."""
        rng = np.random.default_rng([seed, len(self.domains)])
        rows = rng.dirichlet(np.full(len(self.domains), 1.5), count)
        gone = rng.random(rows.shape) < 0.33
        gone[::2] = False
        gone[np.arange(count), rows.argmax(axis=1)] = False
        rows[gone] = 0.0
        return np.asarray(rows / rows.sum(axis=1, keepdims=True))

    def named(self, rows: np.ndarray) -> list[dict[str, float]]:
        """``n x d`` mixtures by name."""
        return [dict(zip(self.domains, row, strict=True)) for row in rows.tolist()]

    def losses(self, weights: dict[str, float], number: int) -> dict[str, float | None]:
        """An exponential law of the mixture, with noise and gaps that the trial's number decides.

        Args:
            weights: The mixture.
            number: Of the trial.

        Returns:
            Metric name to nats per token, or to a share for an accuracy; None where it was not measured.
        """
        d, m = len(self.domains), len(self.metrics)
        rng = self.rng
        floor, height = rng.uniform(1.5, 2.5, m), rng.uniform(0.5, 1.5, m)
        rates = -np.abs(rng.normal(0.0, 1.0, (m, d))) * (rng.random((m, d)) < 0.4)
        rates[np.arange(m), np.arange(m) % d] -= 3.0
        row = np.array([weights[name] for name in self.domains])
        values = floor + height * np.exp(rates @ row)
        own = np.random.default_rng([7, d, m, number])
        values = values + NOISE * own.normal(size=m)
        if self.accuracy:
            values[0] = 1.0 / (1.0 + np.exp(values[0] - 2.0))
        absent = own.random(m) < self.gaps
        absent[number % m] = False
        return {name: None if gone else float(v) for name, v, gone in zip(self.metrics, values, absent, strict=True)}

    def outcome(self, trial: bomix.Trial, artifacts: Path) -> dict[str, float | None] | bomix.Result:
        """What a trial is told: its losses, and of an expert what it keeps.

        Args:
            trial: Pending.
            artifacts: Folder for what an expert keeps.
        """
        values = self.losses(dict(trial.weights), trial.id)
        if "expert" not in trial.origin:
            return values
        known = {name: value for name, value in values.items() if value is not None}
        index = max(range(len(self.domains)), key=lambda number: trial.weights[self.domains[number]])
        lacking = tuple(name for name in values if name not in known)
        return bomix.Result(known, artifacts=self.expert(artifacts, index), unmeasured=lacking)

    def expert(self, root: Path, index: int) -> dict[str, str]:
        """Artifacts of the expert of a domain: what it says of 24 sequences of 8 tokens, and a tiny model.

        Args:
            root: Folder of all artifacts.
            index: The domain's.

        Returns:
            Name of the artifact to its folder.
        """
        rng = np.random.default_rng([3, len(self.domains)])
        starts = np.arange(0, 193, 8)
        ids, first = rng.integers(0, 20, 192), rng.integers(0, 20, 24)
        common = -rng.gamma(2.0, 1.0, (len(self.metrics), 192))
        kinds = rng.integers(len(self.domains), size=(len(self.metrics), 24)).repeat(8, axis=1)
        own = np.random.default_rng([4, len(self.domains), index])
        digest = hashlib.sha256(ids.tobytes()).hexdigest()
        folder = root / f"{self.name}-{index}" / "scored"
        folder.mkdir(parents=True)
        sets = {}
        for number, metric in enumerate(self.metrics):
            says = common[number] - 0.7 * np.abs(own.normal(size=192)) - 0.5 * (kinds[number] != index)
            arrays = {"log_probabilities": says.astype(np.float32), "starts": starts, "ids": ids, "first": first}
            files = {}
            for what, array in arrays.items():
                file = folder / f"{number:04d}.{what}.npy"
                np.save(file, array)
                files[what] = {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            sets[metric] = {"tokens": digest, "per_token": False, "files": files}
        text = json.dumps({"schema": 1, "tokenizer": "t", "sets": sets})
        (folder / "index.json").write_text(text, encoding="utf-8")
        return {"scored_tokens": str(folder), **self.model(folder.parent / "model", index)}

    def model(self, folder: Path, index: int) -> dict[str, str]:
        """The model of an expert where domains are few; none elsewhere."""
        if len(self.domains) > 3:
            return {}
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
        built = LlamaForCausalLM(LlamaConfig(vocab_size=20, max_position_embeddings=16, **sizes))
        with torch.no_grad():
            for number, parameter in enumerate(built.parameters()):
                generator = np.random.default_rng([5, index, number])
                parameter.copy_(torch.as_tensor(generator.normal(0.0, 0.3, tuple(parameter.shape))))
        built.save_pretrained(folder)
        return {"model": str(folder)}

    def write(self, folder: Path, artifacts: Path) -> None:
        """Make the study folder with the whole record in it.

        Args:
            folder: Made here.
            artifacts: Where experts leave what they keep.
        """
        folder.mkdir(parents=True)
        write_study(folder, self.study())
        study = bomix.Study.open(folder)
        records(study).save_results = lambda: None  # derived, and slow to write every time
        for _ in range(len(self.domains) * self.experts):
            trial = study.ask(expert=True)
            study.tell(trial, self.outcome(trial, artifacts))
        runs = self.named(self.mixtures(self.trials, seed=1))
        runs[0] = dict.fromkeys(self.domains, 1.0 / len(self.domains))
        for number, weights in enumerate(runs[: self.trials - self.imported]):
            origin = "sobol" if number else "uniform"
            trial = records(study).enqueue(bomix.Candidate(weights, origin), seed=SEED).trial
            study.tell(trial, self.losses(weights, trial.id))
        start = self.trials - self.imported
        records(study).add_all([(weights, self.losses(weights, 1000 + n)) for n, weights in enumerate(runs[start:])])


def write_study(folder: Path, data: dict[str, Any]) -> None:
    """Write ``study.yaml``."""
    (folder / "study.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


_FORTY = tuple(f"d{number:02d}" for number in range(40))
HISTORIES = {
    history.name: history
    for history in (
        History("3", ("books", "code", "web"), ("quiz", "text"), 12, experts=True, accuracy=True),
        History("7", LLAMA, LLAMA, 30, imported=4, tokens=True),
        History("17", PILE, PILE[:13], 64, imported=8, gaps=0.15, experts=True, tokens=True, evaluator=True),
        History("40", _FORTY, tuple(f"m{number:02d}" for number in range(30)), 50),
    )
}
"""Name, the number of domains, to history."""
