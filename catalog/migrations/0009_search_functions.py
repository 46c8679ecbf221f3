from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent / 'sql'
# The functions that this migration replaces, as 0001 created them.
_FORMER = '''
CREATE OR REPLACE FUNCTION search_text(source_text text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT regexp_replace(replace(plain, \'\'\'\', \'\'), \'[^a-z0-9]+\', \' \', \'g\')
    || CASE WHEN plain LIKE \'%\'\'%\' THEN \' \' || regexp_replace(plain, \'[^a-z0-9]+\', \' \', \'g\') ELSE \'\' END
  FROM (SELECT lower(unaccent(translate(source_text, \'’‘`\', \'\'\'\'\'\'\'\'))) AS plain) AS p
$$;
CREATE OR REPLACE FUNCTION search_vector(source_text text) RETURNS tsvector LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT to_tsvector(\'simple\', words) || to_tsvector(\'english\', words) || to_tsvector(\'french\', words)
  FROM (SELECT search_text(source_text) AS words) AS w
$$;
'''


class Migration(migrations.Migration):

    dependencies = [('catalog', '0008_facts_of_listings')]

    operations = [
        migrations.RunSQL((_SQL / 'search_functions.sql').read_text(), _FORMER),
    ]
