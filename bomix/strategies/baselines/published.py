"""Mixtures that others published, by name.

References:
    [Touvron2023] LLaMA: open and efficient foundation language models.
    [Soldaini2024] Dolma: an open corpus of three trillion tokens for language model pretraining research.
    [Liu2025] RegMix: data mixture as regression for language model pre-training.
    [Lindenau] Bayesian optimization for mixture optimization in large language models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import Fault
from bomix.space.bounds import unknown_name
from bomix.space.weights import normalized
from bomix.strategies.baselines.simple import Constant

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.space.polytope import Array


@dataclass(frozen=True)
class Mixture:
    """A published mixture.

    Attributes:
        source: The publication and the place in it.
        weights: Domain, as it is called there, to share, as printed: the sum may miss one.
    """

    source: str
    weights: Mapping[str, float]


def _columns(table: str, sources: Mapping[str, str]) -> dict[str, Mixture]:
    """A table of domains by mixtures, cells parted by ``|``, as one mixture per column."""
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return {
        name: Mixture(sources[name], {row[0]: float(row[index]) for row in rows})
        for index, name in enumerate(head)
        if index
    }


_PILE = _columns(
    """
    domain            | pile  | doremi | odm    | pile_cc | regmix
    ArXiv             | 0.134 | 0.004  | 0.0267 | 0.0     | 0.001
    FreeLaw           | 0.049 | 0.005  | 0.0346 | 0.0     | 0.001
    NIH ExPorter      | 0.007 | 0.008  | 0.0466 | 0.0     | 0.001
    PubMed Central    | 0.136 | 0.006  | 0.0316 | 0.0     | 0.003
    Wikipedia (en)    | 0.117 | 0.086  | 0.0504 | 0.0     | 0.016
    DM Mathematics    | 0.025 | 0.002  | 0.0168 | 0.0     | 0.0
    Github            | 0.054 | 0.022  | 0.0155 | 0.0     | 0.0
    PhilPapers        | 0.003 | 0.034  | 0.0451 | 0.0     | 0.0
    Stack Exchange    | 0.118 | 0.019  | 0.0353 | 0.0     | 0.0
    Enron Emails      | 0.004 | 0.009  | 0.0228 | 0.0     | 0.002
    Gutenberg (PG-19) | 0.025 | 0.009  | 0.0669 | 0.0     | 0.002
    Pile-CC           | 0.142 | 0.743  | 0.0894 | 1.0     | 0.87
    Ubuntu IRC        | 0.009 | 0.011  | 0.0363 | 0.0     | 0.064
    EuroParl          | 0.005 | 0.008  | 0.0315 | 0.0     | 0.0
    HackerNews        | 0.01  | 0.016  | 0.0604 | 0.0     | 0.012
    PubMed Abstracts  | 0.107 | 0.014  | 0.0467 | 0.0     | 0.024
    USPTO Backgrounds | 0.053 | 0.004  | 0.0403 | 0.0     | 0.002
    """,
    {
        "pile": "the Pile's weights by hand, renormalised to 17 domains [Liu2025, table 7, Human]",
        "doremi": "DoReMi with a proxy of 280M parameters, renormalised to 17 domains [Liu2025, table 7]",
        # The caption has it renormalised to the 17 domains, yet the column sums to 0.697: ratios are all it says.
        "odm": "final weights of online data mixing on 17 domains [Liu2025, table 7, Online]",
        "pile_cc": "Pile-CC alone [Liu2025, table 7]",
        "regmix": "RegMix for the loss on Pile-CC [Liu2025, table 7]",
    },
)

_FIVE_OF_DOLMA = _columns(
    """
    domain | sobol_dolma | llama_dolma | bimix_dolma | mixlaws_dolma | bo_dolma
    Books  | 0.160       | 0.049       | 0.154       | 0.265         | 0.158
    CC     | 0.242       | 0.740       | 0.088       | 0.0           | 0.207
    Stack  | 0.312       | 0.071       | 0.427       | 0.442         | 0.256
    PeS2o  | 0.0490      | 0.028       | 0.243       | 0.294         | 0.271
    Reddit | 0.237       | 0.110       | 0.088       | 0.0           | 0.108
    """,
    {
        "sobol_dolma": "best of 64 Sobol points on five domains of Dolma [Lindenau, table I]",
        "llama_dolma": "LLaMA's weights carried over to five domains of Dolma [Lindenau, table I]",
        "bimix_dolma": "optimum of BiMix on five domains of Dolma [Lindenau, table I]",
        "mixlaws_dolma": "optimum of the mixing laws on five domains of Dolma [Lindenau, table I]",
        "bo_dolma": "optimum of Bayesian optimisation on five domains of Dolma [Lindenau, table I]",
    },
)

_SHARES = _columns(
    """
    domain        | llama
    CommonCrawl   | 0.67
    C4            | 0.15
    Github        | 0.045
    Wikipedia     | 0.045
    Books         | 0.045
    ArXiv         | 0.025
    StackExchange | 0.02
    """,
    {"llama": "sampling proportions of LLaMA's pre-training data [Touvron2023, table 1]"},
)

# Shares of 3,059.3 billion LLaMA tokens; those of the five domains of [Lindenau, table I, Dolma] follow from them.
_TOKENS = _columns(
    """
    domain            | dolma
    Common Crawl      | 2281
    The Stack         | 411
    C4                | 198
    Reddit            | 89
    PeS2o             | 70
    Project Gutenberg | 6.0
    Wikipedia         | 4.3
    """,
    {"dolma": "billions of LLaMA tokens of each source of Dolma 1.6 [Soldaini2024; its data card]"},
)


MIXTURES: Mapping[str, Mixture] = {
    **_SHARES,
    **{name: Mixture(counts.source, normalized(counts.weights)) for name, counts in _TOKENS.items()},
    **_PILE,
    **_FIVE_OF_DOLMA,
}
"""Name to published mixture."""


@dataclass(frozen=True)
class Published(Constant):
    """A published mixture, renormalised to the domains of the study.

    A domain of the study is found by its name, case, spaces and punctuation aside. What the study lacks is left out
    and the rest scaled to one; domains of the study that the mixture does not know get nothing. A warning names both.

    Attributes:
        name: ``llama``, ``dolma``, ``pile`` (by hand), ``pile_cc`` (that domain alone), ``doremi``, ``odm``,
            ``regmix``, and on five domains of Dolma ``llama_dolma``, ``sobol_dolma``, ``bimix_dolma``,
            ``mixlaws_dolma``, ``bo_dolma``.
        map: Domain as it is published to domain of the study, where the names differ; several may go to one.
    """

    name: str
    map: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The name of the mixture."""
        return self.name

    def faults(self) -> list[Fault]:
        """A name that is not known, or pairs for domains that the mixture has not."""
        if self.name not in MIXTURES:
            return [Fault("name", unknown_name("published mixture", self.name, tuple(MIXTURES)))]
        known = MIXTURES[self.name].weights
        return [
            Fault(f"map.{name}", unknown_name(f"domain of '{self.name}'", name, tuple(known)))
            for name in self.map
            if _key(name) not in {_key(other) for other in known}
        ]

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """Pairs for domains that the study has not, names that fit two domains, or nothing in common."""
        problem = problem.whole
        domains = problem.space.domains
        found = [
            Fault(f"map.{name}", unknown_name("domain", target, domains))
            for name, target in self.map.items()
            if target not in domains
        ]
        for name in MIXTURES[self.name].weights:
            if len(fitting := self._fitting(name, domains)) > 1:
                listed = " and ".join(f"'{domain}'" for domain in fitting)
                found.append(Fault("map", f"'{name}' may be {listed}; say which in map"))
        if not found and not self._weights(problem).sum() > 0.0:
            theirs = ", ".join(name for name, weight in MIXTURES[self.name].weights.items() if weight > 0.0)
            text = f"no domain of the study ({', '.join(domains)}) has a weight in '{self.name}' ({theirs})"
            found.append(Fault("map", f"{text}; pair them in map where they are called otherwise"))
        return found

    def notes(self, problem: Problem) -> list[str]:
        """What is missing on either side."""
        domains, theirs = problem.space.domains, MIXTURES[self.name].weights
        pairs = {name: self._fitting(name, domains) for name in theirs}
        absent = [name for name, fitting in pairs.items() if not fitting and theirs[name] > 0.0]
        named = {domain for fitting in pairs.values() for domain in fitting}
        new = [domain for domain in domains if domain not in named]
        notes = []
        if absent:
            lost = sum(theirs[name] for name in absent) / sum(theirs.values())
            notes.append(f"the study has no {', '.join(absent)}; the other {1.0 - lost:.1%} are scaled to one")
        if new:
            notes.append(f"the mixture says nothing of {', '.join(new)}; they get no weight but what bounds demand")
        cure = "where only the names differ, pair them in map"
        return [f"{note}; {cure}" for note in notes]

    def ideal(self, problem: Problem) -> Array:
        """The mixture of what both have."""
        weights = self._weights(problem)
        return np.asarray(weights / weights.sum())

    def _weights(self, problem: Problem) -> Array:
        """Published shares in the columns of the study, ``d`` array, not renormalised."""
        domains = problem.space.domains
        weights = np.zeros(len(domains))
        for name, weight in MIXTURES[self.name].weights.items():
            for domain in self._fitting(name, domains)[:1]:
                weights[domains.index(domain)] += weight
        return weights

    def _fitting(self, name: str, domains: Sequence[str]) -> list[str]:
        """The domains of the study that a published one may be: none, one, or where names are alike several."""
        paired = {_key(theirs): ours for theirs, ours in self.map.items()}
        if (target := paired.get(_key(name))) is not None:
            return [target] if target in domains else []
        return [name] if name in domains else [domain for domain in domains if _key(domain) == _key(name)]


def _key(name: str) -> str:
    """A name without case, spaces and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())
