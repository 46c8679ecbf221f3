"""Vectors survive kills of worker and servers: one reconciliation repairs everything."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from config.embedded.stack import ROOT, Stack
from config.embedded.test import throwaway_directory, throwaway_environment
from tests.functional.forks import ForkServer, kill_process
from tests.functional.killing import kill

pytestmark = pytest.mark.slow
_KILLS_PER_VICTIM = 10
_SEED = 20261125
_PRODUCTS = 400
_CUSTOMERS = 80
_BOUGHT_PRODUCTS = 40
_MAX_BATCH_WAIT_SECONDS = 4
_SETUP = "import django; django.setup()\n"
# Arguments: number of products, of customers, of bought products.
_CREATE_SCRIPT = (
    _SETUP
    + '''
import sys
from django.db import connection
from vectors.index.write import index_due_rows

PRODUCTS, CUSTOMERS, BOUGHT_PRODUCTS = map(int, sys.argv[1:4])
INSERT_PRODUCTS = """
    INSERT INTO products (name, brand, category, strain_type, price, merge_key)
    SELECT 'Kill ' || n, 'Brand ' || n %% 7, 'dried_flower', 'indica', n %% 50 + 1, 'kill:' || n
    FROM generate_series(1, %s) n
"""
INSERT_BOUGHT_PRODUCTS = """
    INSERT INTO products (name, brand, category, strain_type, price, merge_key)
    SELECT 'Bought ' || n, 'Brand ' || n %% 7, 'vapes', 'sativa', n, 'bought:' || n
    FROM generate_series(1, %s) n
"""
INSERT_CUSTOMERS = """
    INSERT INTO customer_profiles (external_customer_id)
    SELECT 'kill:' || n FROM generate_series(1, %s) n
"""
INSERT_CONSENTS = """
    INSERT INTO consents (customer_id, text_id, purpose, language, channel)
    SELECT c.id, t.id, t.purpose, 'en', '' FROM customer_profiles c, consent_texts t
    WHERE t.purpose IN ('history', 'profiling')
"""
INSERT_PURCHASES = """
    INSERT INTO purchases (
      event_id, line, order_id, customer_id, product_id, quantity, unit_price, purchased_at
    )
    SELECT gen_random_uuid(), 0, 'kill', c.id, p.id, 1, 10, now() - p.price * interval '1 day'
    FROM customer_profiles c
    JOIN products p ON p.merge_key LIKE 'bought:%' AND hashtext(c.id::text || p.id::text) % 5 = 0
"""
with connection.cursor() as cursor:
    cursor.execute(INSERT_PRODUCTS, [PRODUCTS])
    cursor.execute(INSERT_BOUGHT_PRODUCTS, [BOUGHT_PRODUCTS])
    cursor.execute(INSERT_CUSTOMERS, [CUSTOMERS])
    cursor.execute(INSERT_CONSENTS)
    cursor.execute(INSERT_PURCHASES)
index_due_rows()
'''
)
# Indexes continuously in a process that starts in milliseconds instead of the seconds of imports.
_INDEX_SCRIPT = """
import time
from vectors.index.write import index_due_rows
while True:
    index_due_rows()
    time.sleep(0.01)
"""
# Prints for each collection: differences found, differences left, differences found by a second
# comparison, number of vectors.
_RECONCILE_SCRIPT = (
    _SETUP
    + """
from vectors.entities import entities
from vectors.index.reconcile import reconcile
from vectors.search import serving_index
for name in entities():
    result = reconcile(collection=name)
    second = reconcile(collection=name, repair=False)
    print(
        result["before"].total,
        result["after"].total,
        second["before"].total,
        serving_index(name).vectors.count(),
        flush=True,
    )
"""
)
_UPDATE_PRODUCTS_SQL = """
UPDATE products SET name = name || ' x', price = price + 1 WHERE merge_key = ANY(%s)
"""
_DELETE_PRODUCTS_SQL = "DELETE FROM products WHERE merge_key = ANY(%s)"
_ADD_PRODUCTS_SQL = """
INSERT INTO products (name, category, merge_key)
SELECT 'New ' || n, 'vapes', 'kill:' || n FROM unnest(%s::int[]) AS n
ON CONFLICT DO NOTHING
"""
_RAISE_PRICES_SQL = "UPDATE products SET price = price + 1 WHERE merge_key = ANY(%s)"
_ADD_INTERACTIONS_SQL = """
INSERT INTO interactions (id, kind, customer_id, product_id)
SELECT gen_random_uuid(), kind, c.id, p.id
FROM unnest(%s::text[], %s::text[], %s::text[]) AS new_rows (kind, customer, product)
JOIN customer_profiles c ON c.external_customer_id = customer
JOIN products p ON p.merge_key = product
"""
_TOGGLE_CONSENTS_SQL = """
UPDATE consents SET withdrawn_at = CASE WHEN withdrawn_at IS NULL THEN now() END
WHERE purpose = 'profiling'
  AND customer_id IN (SELECT id FROM customer_profiles WHERE external_customer_id = ANY(%s))
"""
# Returns whether a batch is being indexed: only a batch holds a table's shared advisory lock.
_IS_BATCH_RUNNING_SQL = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock')
"""


class Servers:
    """A separate stack, whose data survive a crash, and a process that indexes."""

    def __init__(self, directory: Path) -> None:
        """Start the servers with their data below the directory."""
        self.stack = Stack(directory / "state", settings={}, needs=("postgres", "valkey", "milvus"))
        self.stack.start()
        self.environment = throwaway_environment(self.stack) | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
        }
        self.forks = ForkServer(
            self.environment, modules=("onnxruntime", "pymilvus", "vectors.index.write")
        )
        self.indexer: psutil.Process | None = None

    def run(self, code: str, *arguments: str) -> str:
        """Run a Python script with these servers; return its output."""
        completed = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr[-3000:]
        return completed.stdout

    def start_indexer(self) -> None:
        """Start a process that indexes continuously."""
        self.indexer = self.forks.run(_INDEX_SCRIPT)

    def kill_indexer(self) -> None:
        """Kill -9 the process that indexes."""
        if self.indexer:
            kill_process(self.indexer)

    def kill_server(self, name: str) -> None:
        """Kill -9 a server with all its processes, and restart it on the same data."""
        server = self.stack.servers[name]
        kill(server)
        server.stop()
        server.start()

    def change_rows(self, chance: random.Random) -> None:
        """Change, add and delete random products, interactions and consents."""
        numbers = [chance.randint(1, _PRODUCTS) for _ in range(60)]
        customers = [f"kill:{chance.randint(1, _CUSTOMERS)}" for _ in range(20)]
        bought = [f"bought:{chance.randint(1, _BOUGHT_PRODUCTS)}" for _ in range(20)]
        with psycopg.connect(
            self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
        ) as connection:
            connection.execute(_UPDATE_PRODUCTS_SQL, [[f"kill:{n}" for n in numbers[:40]]])
            connection.execute(_DELETE_PRODUCTS_SQL, [[f"kill:{n}" for n in numbers[40:45]]])
            connection.execute(_ADD_PRODUCTS_SQL, [numbers[45:]])
            connection.execute(_RAISE_PRICES_SQL, [bought[:5]])
            kinds = [chance.choice(["like", "dislike", "view"]) for _ in bought]
            connection.execute(_ADD_INTERACTIONS_SQL, [kinds, customers, bought])
            connection.execute(_TOGGLE_CONSENTS_SQL, [customers[:6]])

    def is_batch_running(self) -> bool:
        """Return whether a batch is being indexed now."""
        with psycopg.connect(
            self.environment["DATABASE_URL"], connect_timeout=5, autocommit=True
        ) as connection:
            row = connection.execute(_IS_BATCH_RUNNING_SQL).fetchone()
        return bool(row and row[0])

    def wait_for_batch(self) -> None:
        """Wait for a batch to begin; at most a few seconds, as it may have ended already."""
        deadline = time.monotonic() + _MAX_BATCH_WAIT_SECONDS
        while time.monotonic() < deadline and not self.is_batch_running():
            time.sleep(0.005)


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Return servers with indexed products and customers."""
    directory = throwaway_directory(Path(os.environ["STATE_DIR"]).parent)
    servers = Servers(directory)
    try:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"],
            cwd=ROOT,
            env=servers.environment,
            check=True,
        )
        servers.run(_CREATE_SCRIPT, str(_PRODUCTS), str(_CUSTOMERS), str(_BOUGHT_PRODUCTS))
        yield servers
    finally:
        servers.kill_indexer()
        servers.forks.stop()
        servers.stack.stop()
        servers.stack.remove()


def test_one_reconciliation_repairs_everything_after_thirty_kills(servers: Servers) -> None:
    chance = random.Random(_SEED)
    victims = ["indexer", "milvus", "postgres"] * _KILLS_PER_VICTIM
    chance.shuffle(victims)
    kills_in_batch = 0
    servers.start_indexer()

    for victim in victims:
        servers.change_rows(chance)
        servers.wait_for_batch()
        time.sleep(chance.uniform(0, 0.03))
        kills_in_batch += servers.is_batch_running()
        if victim == "indexer":
            servers.kill_indexer()
        else:
            servers.kill_server(victim)
        if servers.indexer is None or not servers.indexer.is_running():
            servers.start_indexer()
    servers.kill_indexer()
    output = servers.run(_RECONCILE_SCRIPT)

    assert kills_in_batch >= len(victims) // 2, (
        f"only {kills_in_batch} of {len(victims)} kills happened during a batch"
    )
    results = [list(map(int, line.split())) for line in output.splitlines() if line]
    assert len(results) >= 3
    for _, remaining, found_again, vector_count in results:
        assert remaining == 0, results
        assert found_again == 0, results
        assert vector_count > 0, results
