"""Losses of a mixture that no model was trained for: each falls with some of the domains."""

import json
import sys
from pathlib import Path

weights = json.loads(Path(sys.argv[1]).read_text())["weights"]


def below(node: str) -> float:
    """The sum of the weights below a node."""
    return sum(weight for name, weight in weights.items() if name.startswith(f"{node}/"))


seen = {
    "web": below("web") + 0.3 * weights["web/news/high"] + 0.2 * weights["wiki"],
    "code": below("code") + 0.5 * weights["math"],
    "books": below("books") + 0.4 * weights["wiki"],
}
Path(sys.argv[2]).write_text(
    json.dumps({"losses": {name: 2.0 + (share + 0.01) ** -0.3 for name, share in seen.items()}})
)
