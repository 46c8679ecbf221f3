from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

_SQL = Path(__file__).parent / 'sql'
# The ids of transactions say nothing about times: rows that exist get the time of their last count.
_FORWARDS = """
ALTER TABLE store_stock ALTER COLUMN restocked_at DROP DEFAULT;
ALTER TABLE store_stock ALTER COLUMN restocked_at TYPE timestamptz USING counted_at;
ALTER TABLE store_stock ALTER COLUMN restocked_at SET DEFAULT statement_timestamp();
COMMENT ON COLUMN store_stock.restocked_at IS 'time at which the quantity was last raised from 0; set by trigger';
CREATE OR REPLACE FUNCTION set_restocked_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.restocked_at := statement_timestamp();
  RETURN NEW;
END $$;
"""
_BACKWARDS = """
ALTER TABLE store_stock ALTER COLUMN restocked_at DROP DEFAULT;
ALTER TABLE store_stock ALTER COLUMN restocked_at TYPE bigint USING pg_current_xact_id()::text::bigint;
ALTER TABLE store_stock ALTER COLUMN restocked_at SET DEFAULT pg_current_xact_id()::text::bigint;
COMMENT ON COLUMN store_stock.restocked_at IS 'id of the transaction that last raised the quantity from 0; set by trigger';
DROP FUNCTION set_restocked_at CASCADE;
""" + (_SQL / 'stock_arrivals.sql').read_text()


class Migration(migrations.Migration):

    dependencies = [('catalog', '0002_storestock_reported_quantity')]

    operations = [
        migrations.RemoveIndex(model_name='storestock', name='store_stock_restocked_at'),
        migrations.RunSQL(
            _FORWARDS,
            _BACKWARDS,
            state_operations=[
                migrations.AlterField(
                    model_name='storestock',
                    name='restocked_at',
                    field=models.DateTimeField(db_comment='time at which the quantity was last raised from 0; set by trigger', db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
        ),
    ]
