-- The columns of a table that know a few values only, each with these as a JSON list.
select constraint_column_names[1], to_json(regexp_extract_all(constraint_text, '''([^'']*)''', 1))::varchar
from duckdb_constraints()
where table_name = $table and constraint_type = 'CHECK' and constraint_text like '% IN (%'
order by 1;
