"""bin/dev whole: it starts, answers, heals, stops and starts again with what it had."""

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
    """A bin/dev that runs, with its first sync done."""
    running = Development()
    try:
        running.start()
        yield running
    finally:
        running.remove()


def _try(development: Development, *arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        development.command(*arguments),
        cwd=ROOT,
        env=development.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()


def test_printed_examples_answer_with_products(development: Development) -> None:
    listed, found, similar = (development.ask(number)["results"] for number in range(3))
    assert len(listed) == 3
    assert found[0]["strain_type"].startswith("indica")
    assert "myrcene" in found[0]["terpenes"]
    assert listed[0]["id"] not in {product["id"] for product in similar}


def test_console_opens_with_the_printed_password(development: Development) -> None:
    password = development.said.split("password ")[1].split()[0]
    address = f"http://127.0.0.1:{development.port}/console/"
    with requests.Session() as browser:
        browser.get(f"{address}login/", timeout=30)
        given = {
            "username": "staff",
            "password": password,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        browser.post(f"{address}login/?next=/console/", data=given, timeout=30)
        name = development.ask(0)["results"][0]["name"]
        page = browser.get(f"{address}catalog/product/", params={"q": name}, timeout=30)
    assert page.status_code == 200
    assert f">{name}</a>" in html.unescape(page.text)


@pytest.mark.parametrize("name", ["postgres", "valkey", "milvus", "web", "worker"])
def test_what_is_killed_comes_back_and_nothing_is_lost(development: Development, name: str) -> None:
    before = _lasting(development.ask(1))
    development.kill(name)
    assert _settled(development) == before["legs"]
    assert _lasting(development.ask(1)) == before
    again = development.manage("sync_catalog")
    counts = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in again.splitlines()
        if "│" in line
    ]
    assert {row[0]: row[2:4] for row in counts} == {
        code: ["0", "0"] for code in ("aglc", "ocs", "ocs-wholesale", "sqdc")
    }


def _lasting(found: dict[str, Any]) -> dict[str, Any]:
    """Return an answer of the search without what the visitors change: what each store has left."""
    return {
        **found,
        "facets": {name: told for name, told in found["facets"].items() if name != "store"},
    }


def _settled(development: Development) -> list[str]:
    """Wait for the first answer after a kill, and return the legs of its search."""
    legs: list[str] = []

    def answers() -> bool:
        address, headers = development.curl_lines()[1]
        try:
            answer = requests.get(address, headers=headers, timeout=30)
            # Search answers without Milvus; all parts are to be back.
            ready = requests.get(f"http://127.0.0.1:{development.port}/health/ready", timeout=30)
        except requests.ConnectionError:  # the web process itself was killed
            return False
        assert answer.status_code in (200, 503), answer.text
        legs[:] = answer.json().get("legs", [])
        return "product_texts" in legs and ready.status_code == 200

    wait_until(answers, 60)
    return legs


def test_refusals_are_one_line_that_says_what_to_do(development: Development) -> None:
    code, lines = _try(development)
    assert (code, len(lines)) == (2, 1)
    assert "Another bin/dev" in lines[0]
    other = Development()
    other.port = development.port
    code, lines = _try(other)
    assert (code, len(lines)) == (2, 1)
    assert f"Port {development.port} is taken" in lines[0]
    other.remove()
    assert _try(development, "--port", "0")[0] == 2


def test_interrupt_leaves_no_process_and_the_next_start_keeps_the_data(
    development: Development,
) -> None:
    before = development.ask(1)["results"]
    running = development.processes()
    assert running
    assert development.interrupt() == 0
    assert not [process for process in running if process.is_running()]
    assert not processes_of(development.state)
    development.start()
    assert "password as before" in development.said
    assert development.ask(1)["results"] == before
