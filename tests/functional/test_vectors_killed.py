"""Whoever is killed while vectors are made, one reconciling puts everything right."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded.stack import ROOT, Stack
from config.embedded.test import throwaway_directory, throwaway_environment
from tests.functional.killing import kill

pytestmark = pytest.mark.slow
_KILLS = 10
_SEED = 20261125
_PRODUCTS = 400
_CUSTOMERS, _BOUGHT = 80, 40
_CODE = "import django; django.setup()\n"
_MAKE = (
    _CODE
    + """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute(
        "INSERT INTO products (name, brand, category, strain_type, price, merge_key) "
        "SELECT 'Kill ' || n, 'Brand ' || n %% 7, 'dried-flower', 'indica', n %% 50 + 1, 'kill:' || n FROM generate_series(1, %s) n",
        [int(__import__('sys').argv[1])])
    cursor.execute(
        "INSERT INTO products (name, brand, category, strain_type, price, merge_key) "
        "SELECT 'Bought ' || n, 'Brand ' || n %% 7, 'vapes', 'sativa', n, 'bought:' || n FROM generate_series(1, %s) n",
        [int(__import__('sys').argv[3])])
    cursor.execute(
        "INSERT INTO customer_profiles (external_customer_id) SELECT 'kill:' || n FROM generate_series(1, %s) n",
        [int(__import__('sys').argv[2])])
    cursor.execute(
        "INSERT INTO consents (customer_id, text_id, purpose, language, channel) SELECT c.id, t.id, t.purpose, 'en', '' "
        "FROM customer_profiles c, consent_texts t WHERE t.purpose IN ('history', 'profiling')")
    cursor.execute(
        "INSERT INTO purchases (event_id, line, order_id, customer_id, product_id, quantity, unit_price, purchased_at) "
        "SELECT gen_random_uuid(), 0, 'kill', c.id, p.id, 1, 10, now() - p.price * interval '1 day' "
        "FROM customer_profiles c JOIN products p ON p.merge_key LIKE 'bought:%' AND hashtext(c.id::text || p.id::text) % 5 = 0")
from vectors.index.write import index_due
index_due()
"""
)
_INDEX = (
    _CODE
    + """
import time
from vectors.index.write import index_due
print("ready", flush=True)
while True:
    index_due()
    time.sleep(0.01)
"""
)
_RECONCILE = (
    _CODE
    + """
from vectors.entities import entities
from vectors.index.reconcile import reconcile
from vectors.search import serving
for name in entities():
    told = reconcile(collection=name)
    again = reconcile(collection=name, repair=False)["before"].total
    print(told["before"].total, told["after"].total, again, serving(name).vectors.count(), flush=True)
"""
)


class Servers:
    """A stack of its own, whose data outlive a crash, and a process that indexes."""

    def __init__(self, directory: Path) -> None:
        self.stack = Stack(directory / "state", settings={}, needs=("postgres", "valkey", "milvus"))
        self.stack.start()
        self.environment = throwaway_environment(self.stack) | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
        }
        self.indexer: subprocess.Popen[bytes] | None = None

    def run(self, code: str, *arguments: str) -> str:
        """Run Python with these servers; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def start_indexer(self) -> None:
        """Index in a process of its own, and wait until it begins."""
        self.indexer = subprocess.Popen(
            [sys.executable, "-c", _INDEX],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.indexer.stdout
        self.indexer.stdout.readline()

    def stop_indexer(self) -> None:
        """Kill it."""
        if self.indexer and self.indexer.poll() is None:
            self.indexer.kill()
            self.indexer.wait()

    def kill_server(self, name: str) -> None:
        """Kill -9 a server with all its processes, and start it again on the same data."""
        server = self.stack.servers[name]
        kill(server)
        server.stop()
        server.start()

    def change(self, chance: random.Random) -> None:
        """Change, add and remove some products, and what customers do and agree to, as PostgreSQL lets us."""
        numbers = [chance.randint(1, _PRODUCTS) for _ in range(60)]
        customers = [f"kill:{chance.randint(1, _CUSTOMERS)}" for _ in range(20)]
        bought = [f"bought:{chance.randint(1, _BOUGHT)}" for _ in range(20)]
        with psycopg.connect(
            self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
        ) as connection:
            connection.execute(
                "UPDATE products SET name = name || ' x', price = price + 1 WHERE merge_key = ANY(%s)",
                [[f"kill:{n}" for n in numbers[:40]]],
            )
            connection.execute(
                "DELETE FROM products WHERE merge_key = ANY(%s)",
                [[f"kill:{n}" for n in numbers[40:45]]],
            )
            connection.execute(
                "INSERT INTO products (name, category, merge_key) SELECT 'New ' || n, 'vapes', 'kill:' || n"
                " FROM unnest(%s::int[]) AS n ON CONFLICT DO NOTHING",
                [numbers[45:]],
            )
            connection.execute(
                "UPDATE products SET price = price + 1 WHERE merge_key = ANY(%s)", [bought[:5]]
            )
            connection.execute(
                "INSERT INTO interactions (id, kind, customer_id, product_id) SELECT gen_random_uuid(), kind, c.id, p.id"
                " FROM unnest(%s::text[], %s::text[], %s::text[]) AS told (kind, customer, product)"
                " JOIN customer_profiles c ON c.external_customer_id = customer JOIN products p ON p.merge_key = product",
                [[chance.choice(["like", "dislike", "view"]) for _ in bought], customers, bought],
            )
            connection.execute(
                "UPDATE consents SET withdrawn_at = CASE WHEN withdrawn_at IS NULL THEN now() END"
                " WHERE purpose = 'profiling' AND customer_id IN"
                " (SELECT id FROM customer_profiles WHERE external_customer_id = ANY(%s))",
                [customers[:6]],
            )

    def is_in_batch(self) -> bool:
        """Tell whether a batch is under way: it alone shares its table's lock, until its transaction ends."""
        with psycopg.connect(
            self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
        ) as connection:
            found = connection.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock')"
            ).fetchone()
        return bool(found and found[0])

    def await_batch(self, longest_seconds: float) -> None:
        """Wait for a batch to begin, though not for ever: the change may have been indexed before one looks."""
        end = time.monotonic() + longest_seconds
        while time.monotonic() < end and not self.is_in_batch():
            time.sleep(0.005)


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers with products and customers that are indexed."""
    directory = throwaway_directory(Path(os.environ["STATE_DIR"]).parent)
    servers = Servers(directory)
    try:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"],
            cwd=ROOT,
            env=servers.environment,
            check=True,
        )
        servers.run(_MAKE, str(_PRODUCTS), str(_CUSTOMERS), str(_BOUGHT))
        yield servers
    finally:
        servers.stop_indexer()
        servers.stack.stop()
        servers.stack.remove()


def test_thirty_kills_leave_nothing_that_one_reconciling_does_not_mend(servers: Servers) -> None:
    chance = random.Random(_SEED)
    victims = ["indexer", "milvus", "postgres"] * _KILLS
    chance.shuffle(victims)
    in_batch = 0
    servers.start_indexer()
    for victim in victims:
        servers.change(chance)
        servers.await_batch(4)
        time.sleep(chance.uniform(0, 0.03))
        in_batch += servers.is_in_batch()
        if victim == "indexer":
            servers.stop_indexer()
        else:
            servers.kill_server(victim)
        if servers.indexer is None or servers.indexer.poll() is not None:
            servers.start_indexer()
    servers.stop_indexer()
    assert in_batch >= len(victims) // 2, (
        f"only {in_batch} of {len(victims)} kills fell into a batch"
    )
    told = [list(map(int, line.split())) for line in servers.run(_RECONCILE).splitlines() if line]
    assert len(told) >= 3
    assert [(after, again) for _, after, again, _ in told] == [(0, 0)] * len(told), told
    assert all(count for *_, count in told), told
