"""Every table and column has a comment, and docs/data-dictionary.md lists them."""

import pytest
from django.db import connection

from config.embedded.stack import ROOT
from config.management.commands.data_dictionary import (
    data_dictionary,
    project_tables,
    uncommented,
)

# Columns of these tables without a comment.
_UNCOMMENTED = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY(%s)
  AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL
ORDER BY 1, 2
"""


def test_every_table_and_column_has_a_comment() -> None:
    assert uncommented() == []


def test_data_dictionary_is_fresh() -> None:
    written = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")

    assert written == data_dictionary(), "run: bin/manage data_dictionary > docs/data-dictionary.md"


@pytest.mark.django_db
def test_postgresql_has_the_comments_too() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_UNCOMMENTED, [project_tables()])
        uncommented_columns = cursor.fetchall()

    assert uncommented_columns == []
