"""The log of the database server: no personal data of failed statements."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from config.errors import Conflict
from customers.models import CustomerProfile
from customers.services import profiles


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "value"),
    [("log_error_verbosity", "terse"), ("log_min_error_statement", "panic")],
)
def test_t47_the_server_logs_neither_details_nor_statements_of_errors(
    setting: str, value: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [setting])

        assert cursor.fetchone() == (value,)


@pytest.mark.django_db(transaction=True)
def test_t47_two_registrations_at_once_cause_no_error_in_the_database() -> None:
    def register(_: int) -> bool:
        try:
            profiles.register_customer(external_id="L-4711", by="user:test")
        except Conflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        registered = list(pool.map(register, range(8)))

    assert registered.count(True) == 1
    assert CustomerProfile.objects.count() == 1
