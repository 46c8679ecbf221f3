"""
Trainer of the recommendation ranking: `manage.py retrain recommendation`.

Libraries of training are imported when it trains: pages that list trainers do without them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings

from customers.recommendations.ranker import FEATURES, RECOMMENDER, Ranker
from customers.selectors.served_predictions import SERVED_PREDICTIONS
from customers.selectors.training_events import (
    EVENT_COLUMNS,
    MAX_EVENT_DAYS,
    NEW_EVENTS,
    PROFILED_EVENTS,
)
from customers.selectors.vectors import bought_product_vectors
from mlops.registry import (
    AUTOMATIC,
    BetterThanReferences,
    DriftMonitor,
    Evaluation,
    FitContext,
    LatencyRelative,
    MetricAbove,
    NewData,
    RecentRows,
    ServedPredictions,
    ShuffleControl,
    SubjectColumn,
    SuitePasses,
    Trainer,
    TrainingSet,
    VectorSample,
    register,
)

if TYPE_CHECKING:
    import pyarrow

MIN_ROC_AUC = 0.85
MAX_LATENCY_RATIO = 1.2
"""Limit of the time of a ranking with the model, relative to one by the mix."""
MONITORED_DAYS = 7
MONITORED = ("kind", "quantity", "store", "brand", "category", "strain_type", "price")
"""Columns of events whose distribution is compared with that of the training set."""
BASELINE_NAMES = ("random", "popularity", "buy_again", "item_knn", "mix")
_CODE = (
    "customers.training",
    "customers.selectors.training_events",
    "customers.recommendations.scoring",
    "customers.recommendations.evaluation.history",
    "customers.recommendations.evaluation.statistics",
    "customers.recommendations.ranker.features",
    "customers.recommendations.ranker.items",
    "customers.recommendations.ranker.linear",
    "customers.recommendations.ranker.model",
    "customers.recommendations.ranker.trees",
    "customers.recommendations.ranker_training.evaluation",
    "customers.recommendations.ranker_training.examples",
    "customers.recommendations.ranker_training.fitting",
    "customers.recommendations.training.models",
)


def _split(
    table: "pyarrow.Table", as_of: datetime
) -> tuple["pyarrow.Table", "pyarrow.Table", datetime]:
    from customers.recommendations import ranker_training

    return ranker_training.split_by_time(table.to_pandas(), as_of)


def _fit(table: "pyarrow.Table", context: FitContext) -> Ranker:
    from customers.recommendations import ranker_training

    return ranker_training.fit(table, context)


def _fit_baseline(name: str, table: "pyarrow.Table", context: FitContext) -> Any:
    from customers.recommendations import ranker_training

    return ranker_training.BASELINES[name](table, context)


def _evaluate(model: Any, table: "pyarrow.Table") -> Evaluation:
    from customers.recommendations import ranker_training

    return ranker_training.evaluate(model, table)


def _count_filter_violations(model: Ranker, table: "pyarrow.Table") -> tuple[int, int]:
    from customers.recommendations import ranker_training

    return ranker_training.count_filter_violations(model, table)


def _ranking_cases() -> Sequence[Any]:
    from customers.recommendations import ranker_training

    return ranker_training.ranking_cases()


def _rank_case(model: Ranker | None, case: Any) -> object:
    from customers.recommendations import ranker_training

    return ranker_training.rank_case(model, case)


def _monitored_columns(table: "pyarrow.Table") -> dict[str, Any]:
    return {name: table[name] for name in MONITORED}


_BASELINES: dict[str, Callable[["pyarrow.Table", FitContext], Any]] = {
    name: partial(_fit_baseline, name) for name in BASELINE_NAMES
}

register(
    Trainer(
        name=RECOMMENDER.name,
        title="Recommendations: ranking",
        training_set=TrainingSet(
            sql=PROFILED_EVENTS,
            columns=EVENT_COLUMNS,
            # Of the examples that the split makes of the events; occurred_at is their cut.
            key=("customer", "product", "occurred_at"),
            params={"days": MAX_EVENT_DAYS},
            subject=SubjectColumn(name="customer", form="hash"),
        ),
        split=_split,
        fit=_fit,
        evaluate=_evaluate,
        dump=Ranker.dump,
        served=RECOMMENDER,
        gates=(
            MetricAbove(metric="roc_auc", threshold=MIN_ROC_AUC),
            BetterThanReferences(metric="ndcg@10"),
            SuitePasses(name="hard filters", count_violations=_count_filter_violations),
            LatencyRelative(
                cases=_ranking_cases,
                call=_rank_case,
                reference="mix",
                max_ratio=MAX_LATENCY_RATIO,
                max_milliseconds=settings.RANKING_MAX_MILLISECONDS,
            ),
        ),
        control=ShuffleControl(label="label", metric="candidate_roc_auc", chance=0.5),
        features=FEATURES,
        code=_CODE,
        baselines=_BASELINES,
        parameters={
            "rank": 64,
            "trees": 100,
            "learning_rate": 0.1,
            "min_rows_per_leaf": 20,
            "negatives_per_positive": 10,
        },
        min_train_rows=1_000,
        min_test_rows=500,
        deploys=AUTOMATIC,
        drift=DriftMonitor(
            recent=RecentRows(
                sql=PROFILED_EVENTS, columns=EVENT_COLUMNS, params={"days": MONITORED_DAYS}
            ),
            inputs=_monitored_columns,
            served=ServedPredictions(sql=SERVED_PREDICTIONS),
            vectors=VectorSample(name="bought products", sample=bought_product_vectors),
            unit="customer",
            period=timedelta(days=MONITORED_DAYS),
        ),
        new_data=NewData(sql=NEW_EVENTS),
    )
)
