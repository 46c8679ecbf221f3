"""Results of an experiment: every variant against the control, with a verdict in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _

from mlops.experiments.definitions import Measurements, Metric, Summary, find_subject
from mlops.experiments.statistics import (
    ALPHA,
    MIN_UNITS,
    SAMPLE_RATIO_ALPHA,
    Interval,
    sample_ratio_p_value,
    sequential_interval,
    units_needed,
)
from mlops.models import Experiment, ExperimentVariant

Verdict = Literal["control", "better", "worse", "undecided", "no_difference", "too_early"]
_EMPTY = Summary(units=0, mean=0.0, variance=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """
    A variant in the table of a metric. interval: of its difference from the control.

    is_guard_broken: worse than the control by more than the guard tolerates, beyond noise.
    """

    variant: ExperimentVariant
    metric: Metric
    summary: Summary
    interval: Interval | None
    verdict: Verdict
    is_deciding: bool = True
    is_guard_broken: bool = False

    @property
    def conversions(self) -> int | None:
        """Number of visitors, for a rate."""
        is_rate = self.metric.unit == "%"
        return round(self.summary.mean * self.summary.units) if is_rate else None

    @property
    def mean_text(self) -> str:
        """The mean with its unit."""
        return format_value(self.summary.mean, self.metric) if self.summary.units else "–"

    @property
    def difference_text(self) -> str:
        """The difference with its unit and sign."""
        return _format_difference(self.interval.difference, self.metric) if self.interval else "–"

    @property
    def interval_text(self) -> str:
        """Both bounds of the difference."""
        if self.interval is None:
            return "–"
        low, high = self.interval.low, self.interval.high
        return _("%(low)s to %(high)s") % {
            "low": _format_difference(low, self.metric),
            "high": _format_difference(high, self.metric),
        }

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.is_guard_broken:
            return _("Worse than the control, by more than is tolerated.")
        texts: Mapping[Verdict, str] = {
            "control": _("control"),
            "better": _("Better than the control."),
            "worse": _("Worse than the control."),
            "undecided": _("Too early to say: the true difference may be either way.")
            if self.is_deciding
            else _("No difference beyond noise so far."),
            "no_difference": _("No difference was found; the true one lies in the interval."),
            "too_early": _("Too early to say: fewer than %(count)d visitors, or no event yet.")
            % {"count": MIN_UNITS},
        }
        return texts[self.verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTable:
    """All variants by one metric, the control first."""

    metric: Metric
    is_deciding: bool
    rows: tuple[VariantRow, ...]

    @property
    def title(self) -> str:
        """The title of the metric, and whether it decides."""
        return (
            _("%(metric)s (decides)") % {"metric": self.metric.title}
            if self.is_deciding
            else str(self.metric.title)
        )

    @property
    def is_rate(self) -> bool:
        """Whether the metric is a share of visitors."""
        return self.metric.unit == "%"

    @property
    def has_conversions(self) -> bool:
        """Whether the metric counts visitors who did what is wanted."""
        return self.is_rate and not self.metric.is_error


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentResult:
    """
    Result of an experiment at this moment, or at its end.

    tables: of the deciding metric first. p_value: of the split of the visitors. mixed: visitors
    seen in several variants, who are left out.
    """

    experiment: Experiment
    tables: tuple[MetricTable, ...]
    units: Mapping[str, int]
    mixed: int
    p_value: float

    @property
    def total_units(self) -> int:
        """Visitors in all variants."""
        return sum(self.units.values())

    @property
    def is_balanced(self) -> bool:
        """Whether the visitors are split as planned."""
        return self.p_value >= SAMPLE_RATIO_ALPHA

    @property
    def needed_units(self) -> int | None:
        """Visitors per variant that find the smallest difference of interest; None: not known."""
        control = self.tables[0].rows[0].summary if self.tables[0].rows else _EMPTY
        if control.units < MIN_UNITS or not control.variance:
            return None
        alpha = ALPHA / max(len(self.units) - 1, 1)
        return units_needed(
            variance=control.variance, difference=self.experiment.min_effect, alpha=alpha
        )

    @property
    def min_effect_text(self) -> str:
        """The smallest difference of interest with its unit."""
        return _format_difference(self.experiment.min_effect, self.tables[0].metric).lstrip("+")

    @property
    def broken_guards(self) -> list[VariantRow]:
        """Rows of guards that a variant breaks."""
        return [row for table in self.tables for row in table.rows if row.is_guard_broken]

    @property
    def text(self) -> str:
        """The result in words, by the deciding metric."""
        return " ".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """The result in words: one sentence per variant, or that the split is broken."""
        if not self.is_balanced:
            broken = _(
                "The visitors are not split as planned (p = %(p_value)s): the figures cannot be"
                " trusted. Look for results that are not logged, or logged twice, in one variant."
            ) % {"p_value": f"{self.p_value:.2g}"}
            return [broken]
        sentences = []
        for row in self.tables[0].rows:
            if row.verdict == "control":
                continue
            sentence = f"{row.variant.name}: {row.text}"
            if row.interval and row.verdict in {"better", "worse"}:
                sentence += f" {row.metric.title}: {row.difference_text} ({row.interval_text})."
            sentences.append(sentence)
        return sentences


def experiment_result(experiment: Experiment) -> ExperimentResult:
    """Measure an experiment that has started, or return what was measured at its end."""
    subject = find_subject(experiment.scope)
    if experiment.status == Experiment.Status.STOPPED:
        measured = load_measurements(experiment.result)
    else:
        measured = subject.measure(experiment)
    variants = list(experiment.variants.order_by("position"))
    units = {variant.name: measured.units.get(variant.name, 0) for variant in variants}
    deciding_first = sorted(subject.metrics, key=lambda metric: metric.name != experiment.metric)
    tables = tuple(
        _table(
            experiment, variants, metric, measured.metrics.get(metric.name, {}), len(deciding_first)
        )
        for metric in deciding_first
    )
    return ExperimentResult(
        experiment=experiment,
        tables=tables,
        units=units,
        mixed=measured.mixed,
        p_value=sample_ratio_p_value(list(units.values()), [variant.share for variant in variants]),
    )


def dump_measurements(measured: Measurements) -> dict[str, Any]:
    """Return measurements as JSON."""
    return asdict(measured)


def load_measurements(value: Mapping[str, Any]) -> Measurements:
    """Return measurements of JSON; empty for an empty object."""
    metrics = {
        name: {variant: Summary(**summary) for variant, summary in by_variant.items()}
        for name, by_variant in value.get("metrics", {}).items()
    }
    return Measurements(units=value.get("units", {}), metrics=metrics, mixed=value.get("mixed", 0))


def format_value(value: float, metric: Metric) -> str:
    """Return a value of a metric with its unit."""
    return f"{100 * value:.2f} %" if metric.unit == "%" else f"{value:.1f} {metric.unit}"


def _format_difference(value: float, metric: Metric) -> str:
    if metric.unit == "%":
        return _("%(points)s points") % {"points": f"{100 * value:+.2f}"}
    return f"{value:+.1f} {metric.unit}"


def _table(
    experiment: Experiment,
    variants: list[ExperimentVariant],
    metric: Metric,
    summaries: Mapping[str, Summary],
    metric_count: int,
) -> MetricTable:
    is_deciding = metric.name == experiment.metric
    # All comparisons of the deciding metric miss with probability alpha together; so do those of
    # all other metrics.
    comparisons = max(len(variants) - 1, 1) * (1 if is_deciding else max(metric_count - 1, 1))
    control = summaries.get(variants[0].name, _EMPTY) if variants else _EMPTY
    rows = []
    for variant in variants:
        summary = summaries.get(variant.name, _EMPTY)
        interval = None
        verdict: Verdict = "control"
        if variant.position:
            interval = sequential_interval(
                control,
                summary,
                scale=experiment.min_effect if is_deciding else metric.scale,
                alpha=ALPHA / comparisons,
            )
            verdict = _verdict(interval, metric, experiment)
        rows.append(
            VariantRow(
                variant=variant,
                metric=metric,
                summary=summary,
                interval=interval,
                verdict=verdict,
                is_deciding=is_deciding,
                is_guard_broken=_is_guard_broken(interval, metric),
            )
        )
    return MetricTable(metric=metric, is_deciding=is_deciding, rows=tuple(rows))


def _verdict(interval: Interval | None, metric: Metric, experiment: Experiment) -> Verdict:
    if interval is None:
        return "too_early"
    if interval.low <= 0 <= interval.high:
        is_over = experiment.status == Experiment.Status.STOPPED
        return "no_difference" if is_over else "undecided"
    return "better" if (interval.difference < 0) == metric.is_error else "worse"


def _is_guard_broken(interval: Interval | None, metric: Metric) -> bool:
    if interval is None or metric.tolerance is None:
        return False
    min_loss = interval.low if metric.is_error else -interval.high
    return min_loss > metric.tolerance
