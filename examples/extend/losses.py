"""Losses of a mixture that no model was trained for: each falls with texts that domains are made of."""

import json
import sys
from pathlib import Path

weights = json.loads(Path(sys.argv[1]).read_text())["weights"]


def share(**parts: float) -> float:
    """Share of a run's tokens that helps, domain to how much it does; a study has some of the domains."""
    return sum(weights.get(name.replace("_", "/"), 0.0) * helps for name, helps in parts.items())


high = share(web=0.3, web_high=1.0)
low = share(web=0.7, web_low=1.0)
talk = share(news=1.0, forum=0.6, talk=0.73)
seen = {
    "web": high + 0.4 * low + share(wiki=0.3, books=0.2),
    "code": share(code=1.0, wiki=0.05),
    "talk": talk + 0.1 * low + share(books=0.4),
}
Path(sys.argv[2]).write_text(json.dumps({"losses": {name: 2.0 + (part + 0.02) ** -0.4 for name, part in seen.items()}}))
