"""A source of text of one's own, sums. In a study file: `domains: {sums: {source: {kind: custom_source:Sums}}}`."""

from dataclasses import dataclass

import bomix


@dataclass(frozen=True)
class Sums:
    count: int = 2000  # a key of the study file
    sign: str = "+"

    def documents(self):  # always the same, in the same order, one after the other
        for number in range(self.count):
            other = number * 7919 % 1000
            result = number + other if self.sign == "+" else number - other
            yield f"{number} {self.sign} {other} = {result}"


if __name__ == "__main__":
    domains = {"sums": bomix.DomainSpec(Sums()), "differences": bomix.DomainSpec(Sums(sign="-"))}
    for name, domain in domains.items():
        print(name, next(domain.source.documents()))
