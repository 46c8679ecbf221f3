"""bin/dev as a whole: start, requests, restart of killed programs, stop and second start."""

import html
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from config.embedded.stack import ROOT
from tests.functional.development import Development, processes_of
from tests.polling import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def development() -> Iterator[Development]:
    """A running bin/dev after its first sync."""
    running = Development()
    try:
        running.start()
        yield running
    finally:
        running.remove()


def _run(development: Development, *arguments: str) -> tuple[int, list[str]]:
    """Return exit code and output lines of another start."""
    completed = subprocess.run(
        development.command(*arguments),
        cwd=ROOT,
        env=development.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return completed.returncode, (completed.stdout + completed.stderr).strip().splitlines()


def test_printed_examples_return_products(development: Development) -> None:
    listed = development.run_example(0)["results"]
    found = development.run_example(1)["results"]
    similar = development.run_example(2)["results"]

    assert len(listed) == 3
    assert found[0]["strain_type"].startswith("indica")
    assert "myrcene" in found[0]["terpenes"]
    assert listed[0]["id"] not in {product["id"] for product in similar}


def test_other_accounts_can_read_nothing_of_the_state(development: Development) -> None:
    state = development.state
    passed_through = {state, state / "postgres"}  # by PostgreSQL's account, when we are root

    open_paths = [
        str(path)
        for path in (state, *state.glob("*"), *state.glob("*/*"))
        if path.stat().st_mode & (0o066 if path in passed_through else 0o077)
        # A copy of PostgreSQL's programs that its account may run; sockets ask for a password.
        if not path.name.startswith("binaries-") and not path.is_socket()
    ]

    assert open_paths == []


def test_console_accepts_the_printed_password(development: Development) -> None:
    password = development.output.split("password ")[1].split()[0]
    console = f"http://127.0.0.1:{development.port}/console/"
    name = development.run_example(0)["results"][0]["name"]

    with requests.Session() as browser:
        browser.get(f"{console}login/", timeout=30)
        login = {
            "username": "staff",
            "password": password,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        browser.post(f"{console}login/?next=/console/", data=login, timeout=30)
        page = browser.get(f"{console}catalog/product/", params={"q": name}, timeout=30)

    assert page.status_code == 200
    assert f">{name}</a>" in html.unescape(page.text)


@pytest.mark.parametrize("name", ["postgres", "valkey", "milvus", "web", "worker"])
def test_killed_program_is_restarted_without_loss_of_data(
    development: Development, name: str
) -> None:
    before = _without_store_stock(development.run_example(1))

    development.kill(name)

    assert _retrievers_after_recovery(development) == before["retrievers"]
    assert _without_store_stock(development.run_example(1)) == before
    table = development.manage("sync_catalog")
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in table.splitlines()
        if "│" in line
    ]
    assert {row[0]: row[2:4] for row in rows} == {
        code: ["0", "0"] for code in ("aglc", "ocs", "ocs-wholesale", "sqdc")
    }


def _without_store_stock(body: dict[str, Any]) -> dict[str, Any]:
    """Return a search response without the facet that the simulated visitors change."""
    facets = {name: facet for name, facet in body["facets"].items() if name != "store_code"}
    return {**body, "facets": facets}


def _retrievers_after_recovery(development: Development) -> list[str]:
    """Wait until every component works again; return the retrievers of a search."""
    retrievers: list[str] = []

    def has_recovered() -> bool:
        url, headers = development.curl_lines()[1]
        try:
            response = requests.get(url, headers=headers, timeout=30)
            # Search works without Milvus; readiness covers every component.
            ready = requests.get(f"http://127.0.0.1:{development.port}/health/ready", timeout=30)
        except requests.ConnectionError:  # the web process itself was killed
            return False
        assert response.status_code in (200, 503), response.text
        retrievers[:] = response.json().get("retrievers", [])
        return "dense_multilingual" in retrievers and ready.status_code == 200

    wait_until(has_recovered, 60)
    return retrievers


def test_neighbor_shops_are_added_and_take_part_in_crawls(development: Development) -> None:
    lines = development.manage("competitors", "list").splitlines()

    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert sorted(code for code, *_ in rows) == ["lakeside", "north-star", "old-mill"]
    assert {is_enabled for _, _, _, is_enabled, *_ in rows} == {"yes"}


def test_visitors_may_send_the_events_of_every_store(development: Development) -> None:
    script = (
        "from config.models import ApiKey; key = ApiKey.objects.get(name='visitors');"
        " print('bound to', key.provinces, key.store_codes, 'may', key.scopes)"
    )

    key = (development.state / "visitors-key").read_text()
    response = requests.post(
        f"http://127.0.0.1:{development.port}/api/v1/events/",
        json={"events": []},
        headers={"Authorization": f"Api-Key {key}"},
        timeout=30,
    )

    assert "bound to [] [] may ['events:write']" in development.manage("shell", "-c", script)
    assert response.status_code == 400  # an empty list, not a refused key


def test_second_start_on_the_same_state_directory_is_refused(development: Development) -> None:
    exit_code, lines = _run(development)

    assert exit_code == 2
    assert len(lines) == 1
    assert "Another bin/dev" in lines[0]


def test_start_on_a_taken_port_is_refused(development: Development) -> None:
    other = Development()
    other.port = development.port

    exit_code, lines = _run(other)
    other.remove()

    assert exit_code == 2
    assert len(lines) == 1
    assert f"Port {development.port} is taken" in lines[0]


def test_invalid_port_is_refused(development: Development) -> None:
    assert _run(development, "--port", "0")[0] == 2


def test_interrupt_leaves_no_process_and_the_next_start_has_the_same_data(
    development: Development,
) -> None:
    before = development.run_example(1)["results"]
    processes = development.processes()
    assert processes

    assert development.interrupt() == 0
    assert not [process for process in processes if process.is_running()]
    assert not processes_of(development.state)

    development.start()
    assert "password as before" in development.output
    assert development.run_example(1)["results"] == before
