from pathlib import Path

from django.db import migrations

_SQL = (Path(__file__).parent / 'sql' / 'shelves_told.sql').read_text()
_UNDONE = '''
DROP TRIGGER stores_told ON stores;
CREATE TRIGGER stores_told AFTER UPDATE OR DELETE ON stores FOR EACH STATEMENT EXECUTE FUNCTION tell_changed();
DROP TRIGGER store_stock_told_inserted ON store_stock;
DROP TRIGGER store_stock_told_updated ON store_stock;
CREATE TRIGGER store_stock_told_updated AFTER UPDATE ON store_stock
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tell_sold_out();
DROP FUNCTION tell_shelves();
DROP FUNCTION tell_new_on_shelves();
'''
# What is alike is on a scale of half its size since mix-2; what staff have set otherwise is theirs.
_WEIGHTS = '''
UPDATE recommendation_scenarios SET alike = 2 * alike
WHERE updated_by_id IS NULL AND (name, alike) IN (('product', 2.0), ('substitute', 0.5), ('basket', 3.0));
'''


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0005_habits'),
    ]

    operations = [
        migrations.RunSQL(_SQL, _UNDONE),
        migrations.RunSQL(_WEIGHTS, migrations.RunSQL.noop),
    ]
