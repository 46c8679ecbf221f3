"""
Declarations of trainers, which applications register in `training.py`.

Workers and `manage.py retrain` use a trainer. What serves a model is its `ServedModel`, which web
processes import without the libraries of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from config.declarations import DeclarationRegistry
from mlops.registry.errors import TrainerUnknown

if TYPE_CHECKING:
    import pyarrow

    from mlops.registry.gates import Gate
    from mlops.registry.serving import ServedModel

ColumnType = Literal["bool", "int64", "float64", "string", "timestamp"]
Floats = npt.NDArray[np.float64]
Policy = Literal["approval", "automatic"]
APPROVAL: Policy = "approval"
AUTOMATIC: Policy = "automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectColumn:
    """
    Column of a training set with the id of the person that a row is of.

    form: "text": the id; "hash": hashtextextended(id, 0), as a whole number. An erasure removes the
    rows of the person by it.
    """

    name: str
    form: Literal["text", "hash"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """
    A query whose result is frozen as Parquet.

    sql: has the named parameter %(as_of)s and those of `params`, and an ORDER BY that is unique, so
    that the same rows give the same file. columns: name and type of each column, in the order of
    the query. key: columns that identify a row. rows: instead of `sql`, yields the rows of data
    that are no rows of the database, in a fixed order. subject: the column that names a person;
    without one the set must contain no data of persons.
    """

    columns: Mapping[str, ColumnType]
    key: tuple[str, ...]
    sql: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[], Iterable[tuple[Any, ...]]] | None = None
    subject: SubjectColumn | None = None

    def __post_init__(self) -> None:
        if bool(self.sql) == bool(self.rows):
            raise ValueError("a training set needs sql or rows, not both")
        if self.subject and self.subject.name not in self.columns:
            raise ValueError(f"{self.subject.name} is no column of the training set")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSplit:
    """Rows of the last `test_period` before the newest time are tested on, earlier trained on."""

    column: str
    test_period: timedelta

    def __call__(
        self, table: pyarrow.Table, as_of: datetime
    ) -> tuple[pyarrow.Table, pyarrow.Table, datetime]:
        """Return the training part, the test part and the time between them."""
        import pyarrow.compute as pc

        split_at = as_of - self.test_period
        is_test = pc.greater_equal(table[self.column], split_at)
        return table.filter(pc.invert(is_test)), table.filter(is_test), split_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleControl:
    """
    Control experiment: models trained on permuted labels must not beat chance on the test part.

    label: the column that is permuted within the training part. metric: a metric that is higher for
    better models, with value `chance` for a model that has learned nothing.

    One such model may score far from chance, in either direction, when few features decide; chance
    lies in the middle of many. A leak puts every one of them above it: of seven, chance alone does
    so in fewer than one run of a hundred.
    """

    label: str
    metric: str
    chance: float
    margin: float = 0.02
    shuffles: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class FitContext:
    """
    Inputs of `fit` besides the rows.

    record: adds a point (x, y) to a curve of the run, for example loss by iteration.
    """

    seed: int
    parameters: Mapping[str, Any]
    record: Callable[[str, float, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """
    Quality of a model on the test part.

    metrics: by name. samples: by the name of a metric, its value per unit (row, customer), (units,)
    float64, in an order that depends on the test part alone; their mean is the metric. Paired
    comparisons need them.
    """

    metrics: Mapping[str, float]
    samples: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRows:
    """
    A query of the rows that a model serves now, without their labels.

    sql: has the named parameters %(since)s and %(until)s, also called %(as_of)s as in training
    sets, and those of `params`; at most some 100,000 rows. Rows that depend on each other, such as
    those of one order, let chance explain more than is assumed. columns: name and type of each
    column, in the order of the query.
    """

    sql: str
    columns: Mapping[str, ColumnType]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSample:
    """
    Vectors whose distribution is monitored, for example of the products that were viewed.

    sample: gets start and end of a period and a maximum number; returns (count, dimension).
    components: principal components that are compared, besides the distance from all of them.
    """

    name: str
    sample: Callable[[datetime, datetime, int], Floats]
    components: int = 8
    max_vectors: int = 5_000
    reference_period: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPredictions:
    """
    Log of the predictions that versions served.

    sql: has the named parameters %(number)s, that of the version, %(since)s and %(until)s; returns
    the columns prediction, a number, and unit, text: what predictions depend on, such as the
    customer. reference_period: from the first deployment of a version on; later predictions are
    compared with those of this time.
    """

    sql: str
    reference_period: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftMonitor:
    """
    Daily comparison of the rows that a model serves with those that it was trained on.

    recent: rows of the last `period`. inputs: returns the compared columns by name, numbers or
    text, of the frozen training set and of recent rows; None: the features of the trainer that both
    have. predict: the model's prediction per row. predictions_of: compared with those on the test
    part, or on the whole frozen set, where the test part differs from the rows that are served.
    served: logged predictions, instead of `predict` where only a part of what is predicted is
    served; they are compared with the first ones of the version.
    unit: column of what rows depend on, such as the customer; its number decides the noise.
    min_rows: with fewer recent rows every comparison is inconclusive.
    """

    recent: RecentRows
    inputs: Callable[[pyarrow.Table], Mapping[str, Any]] | None = None
    predict: Callable[[Any, pyarrow.Table], Floats] | None = None
    predictions_of: Literal["test", "all"] = "test"
    served: ServedPredictions | None = None
    vectors: VectorSample | None = None
    unit: str | None = None
    period: timedelta = timedelta(days=7)
    min_rows: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewData:
    """
    Amount of new data since the last training from which on a model is trained again.

    sql: returns the number of rows since the time %(since)s, counted as those of the training set.
    min_share: of the rows of the last training set.
    """

    sql: str
    min_share: float = 0.2
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """
    How a model is trained, evaluated, judged, stored and served.

    fit, baselines: train on the training part. evaluate: measures any of their results, and what
    `served` loads, on the test part. dump: returns the artifact of a fitted model in the format of
    `served`. features: names of the inputs, in order. code: modules whose source is the code
    version. deploys: whether a version that passes every gate serves at once or after approval.
    drift: what is compared between training and serving. new_data: when more data ask for training
    before the next scheduled one. is_timeless: the split does not depend on the time, so that the
    same rows need no other version.
    """

    name: str
    title: Any
    training_set: TrainingSet
    split: Callable[[pyarrow.Table, datetime], tuple[pyarrow.Table, pyarrow.Table, datetime]]
    fit: Callable[[pyarrow.Table, FitContext], Any]
    evaluate: Callable[[Any, pyarrow.Table], Evaluation]
    dump: Callable[[Any], bytes]
    served: ServedModel
    gates: tuple[Gate, ...]
    control: ShuffleControl
    features: tuple[str, ...]
    code: tuple[str, ...]
    baselines: Mapping[str, Callable[[pyarrow.Table, FitContext], Any]] = field(
        default_factory=dict
    )
    parameters: Mapping[str, Any] = field(default_factory=dict)
    min_train_rows: int = 100
    min_test_rows: int = 50
    deploys: Policy = APPROVAL
    is_timeless: bool = False
    drift: DriftMonitor | None = None
    new_data: NewData | None = None

    def __post_init__(self) -> None:
        if self.name != self.served.name:
            raise ValueError(f"{self.name}: its served model is called {self.served.name}")


TRAINERS = DeclarationRegistry[str, Trainer]("training", name_of=attrgetter("name"))
register = TRAINERS.register


def find_trainer(name: str) -> Trainer:
    """Return a trainer. Raises TrainerUnknown."""
    trainers = TRAINERS.by_name()
    if name not in trainers:
        known = ", ".join(sorted(trainers)) or "none is registered"
        raise TrainerUnknown("name", f"{name!r} is not a trainer; trainers: {known}")
    return trainers[name]
