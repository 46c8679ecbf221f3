-- search_text and search_vector in PL/pgSQL, which computes the normal form of a text once instead of once for each
-- language and starts no executor for it. The results are those of the former SQL functions.
CREATE OR REPLACE FUNCTION search_text(source_text text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  plain text := lower(unaccent(translate(source_text, '’‘`', '''''''')));
  words text := regexp_replace(replace(plain, '''', ''), '[^a-z0-9]+', ' ', 'g');
BEGIN
  IF position('''' IN plain) > 0 THEN
    RETURN words || ' ' || regexp_replace(plain, '[^a-z0-9]+', ' ', 'g');
  END IF;
  RETURN words;
END $$;

CREATE OR REPLACE FUNCTION search_vector(source_text text) RETURNS tsvector LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  words text;
BEGIN
  IF source_text = '' THEN
    RETURN ''::tsvector;
  END IF;
  words := search_text(source_text);
  RETURN to_tsvector('simple', words) || to_tsvector('english', words) || to_tsvector('french', words);
END $$;
