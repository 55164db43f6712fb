"""Losses of a mixture that no model was trained for: each falls with some of the domains."""

import json
import sys
from pathlib import Path

weights = json.loads(Path(sys.argv[1]).read_text())["weights"]
seen = {
    "web": weights["web/high"] + 0.5 * weights["web/low"],
    "code": weights["code/python"] + 0.7 * weights["code/other"],
    "wiki": weights["wiki"] + 0.1 * weights["web/high"],
}
Path(sys.argv[2]).write_text(
    json.dumps({"losses": {name: 2.0 + (share + 0.01) ** -0.3 for name, share in seen.items()}})
)
