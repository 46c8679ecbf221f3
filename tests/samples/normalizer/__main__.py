"""Prints shares of right and of wrong readings, and the strings that are not right."""

import json
import sys
from collections import Counter, defaultdict

from tests.samples.normalizer import read_labels

counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
for label in read_labels():
    cleaned = label.clean()
    verdict = label.judge(cleaned)
    for kind in (label.kind, "all"):
        counts[label.draw, kind][verdict] += 1
    if verdict != "right" and "--quiet" not in sys.argv:
        read = cleaned.refused or json.dumps([cleaned.result, cleaned.flags], ensure_ascii=False)
        context = ", ".join(filter(None, label.context.values()))
        sys.stdout.write(f"{label.draw} {verdict} {label.kind} {label.raw!r} [{context}]\n")
        sys.stdout.write(f"    expected {label.expected!r}: {read}\n")
sys.stdout.write(
    f"{'draw':6}{'kind':12}{'strings':>8}{'right':>8}{'open':>8}{'flagged':>8}{'wrong':>8}\n"
)
for (draw, kind), verdicts in sorted(counts.items()):
    total = verdicts.total()
    shares = "".join(f"{verdicts[v] / total:8.1%}" for v in ("right", "open", "flagged", "wrong"))
    sys.stdout.write(f"{draw:6}{kind:12}{total:8}{shares}\n")
