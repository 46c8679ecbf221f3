"""compose.yaml: every service runs a command of the product, with settings that exist, confined."""

import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatchcase
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands
from ruamel.yaml import YAML

from config.embedded.stack import ROOT
from config.env import Environment
from config.process_health import CHECKS

_COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
_SERVICES: dict[str, dict[str, Any]] = _COMPOSE["services"]
_OWN = sorted(name for name, service in _SERVICES.items() if "build" in service)
_THIRD_PARTY = sorted(_SERVICES.keys() - set(_OWN))
# Read by boto3, not by Cultivar.
_SETTINGS_OF_LIBRARIES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
_ONE_SHOT = {"migrate", "prepare-volumes"}
_MONITORING = {"prometheus", "grafana"}


def _commands(service: dict[str, Any]) -> list[list[str]]:
    """Return the command lines of a service; those of a shell script line by line."""
    command = service["command"]
    if isinstance(command, str):
        return [shlex.split(command)]
    assert command[:2] == ["sh", "-ec"]
    return [shlex.split(line) for line in command[2].splitlines() if line]


def _worker_queues() -> dict[str, str]:
    """Return the services that consume each queue."""
    return {
        queue: name
        for name in _OWN
        for command in _commands(_SERVICES[name])
        if "worker" in command
        for queue in command[command.index("-Q") + 1].split(",")
    }


@pytest.mark.parametrize("name", _OWN)
def test_command_of_each_service_is_one_of_the_product(name: str) -> None:
    for command in _commands(_SERVICES[name]):
        if command[:2] == ["python", "manage.py"]:
            assert command[2] in get_commands()
        elif command[0] == "celery":
            assert command[1:3] in (["-A", "config"], ["-A", "config.beat"])
            assert command[3] in {"worker", "beat"}
        else:
            assert command[:2] == ["gunicorn", "config.wsgi"]


# The other workers differ from this one in their queues alone.
@pytest.mark.parametrize("name", ["web", "migrate", "worker-default", "beat", "consumer"])
def test_programs_accept_the_options_of_each_service(name: str) -> None:
    for command in _commands(_SERVICES[name]):
        arguments = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", part) for part in command]
        if arguments[0] == "gunicorn":
            arguments = ["gunicorn", "--check-config", *arguments[1:]]
        else:
            arguments.append("--help")
        module = ["-m", arguments[0]] if arguments[0] != "python" else []

        completed = subprocess.run(
            [sys.executable, *module, *arguments[1:]],
            cwd=ROOT,
            env={**os.environ, "LOG_LEVEL": "ERROR"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert completed.returncode == 0, completed.stderr[-2000:]


def test_workers_consume_every_queue_of_the_task_routes() -> None:
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}

    assert set(_worker_queues()) == routed | {settings.CELERY_TASK_DEFAULT_QUEUE}


def test_tasks_that_change_tables_run_in_the_one_worker_that_owns_them() -> None:
    owners = {
        name for name in _OWN if "//cultivar:" in _SERVICES[name]["environment"]["DATABASE_URL"]
    }

    assert owners == {"migrate", _worker_queues()["maintenance"]}
    for task in ("mlops.tasks.make_partitions", "mlops.tasks.sweep_retention"):
        pattern = next(p for p in settings.CELERY_TASK_ROUTES if fnmatchcase(task, p))
        assert settings.CELERY_TASK_ROUTES[pattern]["queue"] == "maintenance"


@pytest.mark.parametrize("name", _OWN)
def test_settings_of_each_service_exist(name: str) -> None:
    known = {field.upper() for field in Environment.model_fields} | _SETTINGS_OF_LIBRARIES

    assert set(_SERVICES[name]["environment"]) - known == set()


@pytest.mark.parametrize("name", sorted(_SERVICES))
def test_image_of_each_service_has_a_version(name: str) -> None:
    image = _SERVICES[name]["image"]
    tag = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", image).rpartition(":")[2]

    assert re.match(r"v?\d", tag), image
    assert "latest" not in image


@pytest.mark.parametrize("name", sorted(_SERVICES))
def test_each_service_is_confined(name: str) -> None:
    service = _SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert not service.get("privileged", False)


@pytest.mark.parametrize("name", sorted(_SERVICES.keys() - {"prepare-volumes"}))
def test_no_service_but_the_one_that_prepares_volumes_runs_as_root(name: str) -> None:
    user = str(_SERVICES[name]["user"]).partition(":")[0]

    assert user.isdigit()
    assert int(user) > 0


@pytest.mark.parametrize("name", sorted(_SERVICES.keys() - _ONE_SHOT))
def test_each_lasting_service_has_a_health_check(name: str) -> None:
    check = _SERVICES[name]["healthcheck"]["test"]

    assert check[0] in {"CMD", "CMD-SHELL"}
    if name in _OWN:
        assert check[1:4] == ["python", "-m", "config.process_health"]
        assert check[4] in CHECKS


def test_only_the_proxy_publishes_ports_beyond_the_machine() -> None:
    public = {
        name
        for name, service in _SERVICES.items()
        for port in service.get("ports", [])
        if not port.startswith("127.0.0.1:")
    }

    assert public == {"proxy"}


def test_monitoring_is_optional() -> None:
    optional = {name for name, service in _SERVICES.items() if "profiles" in service}

    assert optional == _MONITORING
    for name in _SERVICES.keys() - optional:
        assert not _MONITORING & set(_SERVICES[name].get("depends_on", {}))


def test_services_with_data_reach_no_network_outside() -> None:
    assert _COMPOSE["networks"]["back"] == {"internal": True}
    for name in _THIRD_PARTY:
        if name not in {"proxy", "prepare-volumes", *_MONITORING}:
            assert _SERVICES[name]["networks"] == ["back"], name
    assert _COMPOSE["networks"]["monitoring"] == {"internal": True}
    assert "back" not in _SERVICES["grafana"]["networks"]


def test_no_password_stands_in_the_file() -> None:
    secret_names = re.compile(r"(PASSWORD|SECRET|KEY_RING|_KEYS$|AUTH$|TOKEN$)")
    for service in _SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if secret_names.search(name):
                assert re.search(r"\$\{\w+:[?-]\}", str(value)), name


def test_volumes_are_prepared_for_the_accounts_of_their_services() -> None:
    script = _SERVICES["prepare-volumes"]["command"][2]
    owners = {
        path.rpartition("/")[2]: owner
        for owner, paths in re.findall(r"chown (\S+) (.+)", script)
        for path in paths.split()
    }

    assert owners.keys() == _COMPOSE["volumes"].keys()
    for name in _THIRD_PARTY:
        for volume in _SERVICES[name].get("volumes", []):
            source = volume.partition(":")[0]
            is_file = source.startswith("./")
            if name != "prepare-volumes" and not is_file:
                assert owners[source] == _SERVICES[name]["user"], name
