-- Full-text search over products. The same normal form is computed by the module catalog.search.normalize: both
-- must agree.

-- Text in the form in which it is compared: lower case, no accents, only letters, digits and single spaces. A word with
-- an apostrophe appears twice, joined and split, because people write it either way: Grower's gives growers, and
-- l'agrume gives agrume. STABLE, because unaccent depends on a dictionary.
CREATE FUNCTION search_text(source_text text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT regexp_replace(replace(plain, '''', ''), '[^a-z0-9]+', ' ', 'g')
    || CASE WHEN plain LIKE '%''%' THEN ' ' || regexp_replace(plain, '[^a-z0-9]+', ' ', 'g') ELSE '' END
  FROM (SELECT lower(unaccent(translate(source_text, '’‘`', ''''''''))) AS plain) AS p
$$;

-- The search document of a text: its words as they are, and their English and French stems, since names come in both
-- languages.
CREATE FUNCTION search_vector(source_text text) RETURNS tsvector LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT to_tsvector('simple', words) || to_tsvector('english', words) || to_tsvector('french', words)
  FROM (SELECT search_text(source_text) AS words) AS w
$$;

-- The query for a text of tsquery syntax that matches such documents: the words as they are, or either stem.
CREATE FUNCTION search_query(tsquery_text text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_tsquery('simple', tsquery_text)
    || to_tsquery('english', tsquery_text)
    || to_tsquery('french', tsquery_text)
$$;

-- Ids of the products whose search document matches a query. The planner estimates a match as cheap as a comparison, so
-- for queries of many words it would read the whole table, about a hundred times slower than the index. Sequential
-- scans are switched off for this function, and for nothing else.
CREATE FUNCTION products_matching(query tsquery) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000 SET enable_seqscan = off
AS $$ SELECT id FROM products WHERE search_document @@ query $$;
