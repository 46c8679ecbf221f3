-- Text as it is compared, the same as catalog.search.normalize says: letters and digits without accents. What an
-- apostrophe joins is one word and also two: Grower's is growers, l'agrume is agrume.
CREATE FUNCTION search_text(told text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT regexp_replace(replace(plain, '''', ''), '[^a-z0-9]+', ' ', 'g')
    || CASE WHEN plain LIKE '%''%' THEN ' ' || regexp_replace(plain, '[^a-z0-9]+', ' ', 'g') ELSE '' END
  FROM (SELECT lower(unaccent(translate(told, '’‘`', ''''''''))) AS plain) AS p
$$;

-- Words as they are, and their stems in both languages.
CREATE FUNCTION search_vector(told text) RETURNS tsvector LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT to_tsvector('simple', words) || to_tsvector('english', words) || to_tsvector('french', words)
  FROM (SELECT search_text(told) AS words) AS w
$$;

CREATE FUNCTION search_query(told text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_tsquery('simple', told) || to_tsquery('english', told) || to_tsquery('french', told)
$$;
