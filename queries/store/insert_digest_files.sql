insert into digest_file
select $source, $unit, f.key, f.expected, f.found
from (select unnest(from_json($proof, '{"files": [{"key": "VARCHAR", "expected": "VARCHAR", "found": "VARCHAR"}]}').files) as f);
