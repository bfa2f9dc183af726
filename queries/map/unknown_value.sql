-- A value that a column does not know.
select m.{column}::varchar
from (
{mapping}
) m
join raw using (record_id)
where not list_contains(from_json($known, '["VARCHAR"]'), m.{column})
order by 1
limit 1;
