"""Files of Prometheus and Grafana: every name they use exists, every target is a service."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import Counter, Histogram
from ruamel.yaml import YAML

from config.embedded.stack import ROOT
from config.telemetry import metrics
from config.telemetry.gauges import all_gauges

_FOLDER = ROOT / "deploy"
_DASHBOARD = json.loads((_FOLDER / "grafana" / "cultivar.json").read_text())
_PANELS = [panel for panel in _DASHBOARD["panels"] if panel["type"] != "row"]
_LABELS_OF_PROMETHEUS = {"le", "job", "instance"}
_SUFFIXES = {Counter: ("_total",), Histogram: ("_bucket", "_count", "_sum")}


def _read(path: str) -> Any:
    return YAML(typ="safe").load((ROOT / path).read_text())


_RULES = [rule for group in _read("deploy/alerts.yml")["groups"] for rule in group["rules"]]
_EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in _RULES},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in _PANELS
        for target in panel["targets"]
    },
}


def _known_metrics() -> dict[str, set[str]]:
    """Return the labels of every series by its name."""
    known = {gauge.name: set(gauge.labels) for gauge in all_gauges()}
    for instrument in vars(metrics).values():
        if isinstance(instrument, Counter | Histogram):
            suffixes = _SUFFIXES[type(instrument)]
            name, labels = instrument._name, set(instrument._labelnames)
            known |= {f"{name}{suffix}": labels for suffix in suffixes}
    return known


def _names(expression: str) -> Iterator[str]:
    yield from re.findall(r"\bcultivar_\w+", expression)


@pytest.mark.parametrize("name", _EXPRESSIONS)
def test_metrics_of_each_expression_exist(name: str) -> None:
    expression = _EXPRESSIONS[name]

    assert set(_names(expression)) <= _known_metrics().keys()
    assert set(_names(expression)) or expression == "up == 0"


@pytest.mark.parametrize("name", _EXPRESSIONS)
def test_labels_of_each_expression_exist(name: str) -> None:
    expression = _EXPRESSIONS[name]
    known = _known_metrics()
    labels = set().union(*(known[metric] for metric in _names(expression)), _LABELS_OF_PROMETHEUS)
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    selected = re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression)

    assert {label.strip() for group in grouped for label in group.split(",")} <= labels
    assert set(selected) <= labels


def test_every_metric_is_shown_or_alerted_on() -> None:
    used = {
        re.sub(r"_(total|bucket|count|sum)$", "", name)
        for expression in _EXPRESSIONS.values()
        for name in _names(expression)
    }
    known = {gauge.name for gauge in all_gauges()}
    known |= {metric.name for metric in metrics.REGISTRY.collect()}

    assert known == used


def test_panels_do_not_overlap_and_name_their_source() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in _DASHBOARD["panels"]:
        area = panel["gridPos"]
        own = {
            (x, y)
            for x in range(area["x"], area["x"] + area["w"])
            for y in range(area["y"], area["y"] + area["h"])
        }
        assert not own & cells, panel["title"]
        cells |= own
    source = _read("deploy/grafana/datasource.yml")["datasources"][0]
    assert {panel["datasource"]["uid"] for panel in _PANELS} == {source["uid"]}


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_has_a_severity_and_a_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert (ROOT / rule["annotations"]["runbook"]).is_file()


def test_prometheus_asks_the_web_process_and_every_worker() -> None:
    services = _read("compose.yaml")["services"]
    targets = {
        target
        for job in _read("deploy/prometheus.yml")["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    workers = {
        f"{name}:{service['environment']['METRICS_PORT']}"
        for name, service in services.items()
        if "METRICS_PORT" in service.get("environment", {})
    }

    assert len(workers) >= 6
    assert targets == {"web:8000", *workers}
    assert "web" in services["web"]["environment"]["ALLOWED_HOSTS"].split(",")


def test_files_of_monitoring_are_mounted() -> None:
    services = _read("compose.yaml")["services"]
    mounted = {
        volume.partition(":")[0].removeprefix("./")
        for name in ("prometheus", "grafana")
        for volume in services[name]["volumes"]
        if volume.startswith("./")
    }

    files = {path.relative_to(ROOT).as_posix() for path in _FOLDER.rglob("*") if path.is_file()}
    assert mounted == files


def test_proxy_passes_on_no_metrics_and_no_deep_health() -> None:
    caddyfile = _read("compose.yaml")["configs"]["caddyfile"]["content"]

    assert re.search(
        r"@metrics path /metrics /metrics/ /health/deep /health/deep/\s+respond @metrics 404",
        caddyfile,
    )
