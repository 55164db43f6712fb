"""Sources whose corpus would change unseen."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

from bomix.testing import SourceBattery


@dataclass(frozen=True)
class Lines:
    """Each line of a file, but for what ``how`` says."""

    how: str = ""
    root: str = "."

    def relative_to(self, folder):
        return self if self.how == "here" else replace(self, root=str(folder))

    def signature(self):
        if self.how == "deaf":
            return "lines"
        if self.how == "here":
            return str(Path.cwd())
        return (Path(self.root) / "a.txt").read_text() if self.how != "restless" else str(random.random())

    def documents(self):
        lines = (Path(self.root) / "a.txt").read_text(errors="replace").splitlines()
        match self.how:
            case "shuffled":
                random.shuffle(lines)
            case "list":
                return lines
        return iter(lines)


class OfLines(SourceBattery):
    def write(self, folder):
        (folder / "a.txt").write_text("".join(f"line {number}\n" for number in range(200)))

    def change(self, folder):
        (folder / "a.txt").write_text("another\n")

    def damage(self, folder):
        (folder / "a.txt").write_bytes(b"one\n\xff\xfe\n")
        return "a.txt:2"


class TestShuffled(OfLines):
    spec = Lines("shuffled")
    caught_by = ("test_documents_are_texts_in_the_same_order_every_time",)


class TestAllAtOnce(OfLines):
    spec = Lines("list")
    caught_by = ("test_documents_come_one_at_a_time",)


class TestRestless(OfLines):
    spec = Lines("restless")
    caught_by = ("test_the_signature_stays_while_the_documents_do",)


class TestFromWhereTheUserStands(OfLines):
    spec = Lines("here")
    caught_by = ("test_the_signature_stays_while_the_documents_do",)


class TestDeaf(OfLines):
    spec = Lines("deaf")
    caught_by = ("test_the_signature_changes_with_the_documents",)


class TestSwallowsDamage(OfLines):
    spec = Lines()
    caught_by = ("test_what_is_damaged_is_told_with_its_place",)


class TestMissingWithoutASentence(OfLines):
    spec = Lines()
    has_files = True
    caught_by = ("test_what_is_missing_is_told_before_anything_is_read",)
