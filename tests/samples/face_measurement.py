"""True and false accepts on photographs, clean and degraded: the table of docs/biometrics.md."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from biometrics.faces import ENROLMENT_LIMITS, PROBE_LIMITS, Face, FaceImageRefused, extract_face
from biometrics.matching import THRESHOLD
from tests.samples.degradations import DEGRADATIONS, degrade
from tests.samples.photos import PERSON_BY_FILE


@dataclass(slots=True)
class Measurement:
    """
    Comparisons of degraded probes with clean enrolments of other photographs.

    same, different: similarities of pairs of one person and of two. refused: probes by the code of
    the quality gate.
    """

    same: list[float] = field(default_factory=list)
    different: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def true_accepts(self) -> int:
        """Pairs of one person at or above the threshold."""
        return sum(score >= THRESHOLD for score in self.same)

    @property
    def false_accepts(self) -> int:
        """Pairs of two people at or above the threshold."""
        return sum(score >= THRESHOLD for score in self.different)


def measure(photos: Mapping[str, bytes]) -> dict[str, Measurement]:
    """Return the comparisons by degradation."""
    enrolled = {
        name: extract_face(photos[name], limits=ENROLMENT_LIMITS) for name in PERSON_BY_FILE
    }
    return {name: _compare(enrolled, photos, name) for name in DEGRADATIONS}


def _compare(
    enrolled: Mapping[str, Face], photos: Mapping[str, bytes], degradation: str
) -> Measurement:
    result = Measurement()
    probes: dict[str, Face] = {}
    for name in PERSON_BY_FILE:
        try:
            content = degrade(photos[name], degradation)
            probes[name] = extract_face(content, limits=PROBE_LIMITS)
        except FaceImageRefused as error:
            result.refused[error.code] += 1
    for probe, template in product(probes, enrolled):
        if probe != template:
            score = float(probes[probe].embedding @ enrolled[template].embedding)
            is_same = PERSON_BY_FILE[probe] == PERSON_BY_FILE[template]
            (result.same if is_same else result.different).append(score)
    return result


def as_table(measurements: Mapping[str, Measurement]) -> str:
    """Return the measurements as a table in Markdown."""
    lines = [
        "| probe | refused by the quality gate | same person: accepted, lowest | different people:"
        " accepted, highest |",
        "|---|---|---|---|",
    ]
    for name, result in measurements.items():
        refused = ", ".join(f"{count} × `{code}`" for code, count in result.refused.items()) or "–"
        same = _cell(result.true_accepts, result.same, min)
        different = _cell(result.false_accepts, result.different, max)
        lines.append(f"| {name} | {refused} | {same} | {different} |")
    return "\n".join(lines)


def _cell(accepts: int, scores: list[float], extreme: object) -> str:
    if not scores:
        return "–"
    value = min(scores) if extreme is min else max(scores)
    return f"{accepts} of {len(scores)}, {value:.2f}"
