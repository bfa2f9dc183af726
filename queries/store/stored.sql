-- Whether a record of that id is stored, in the order asked.
with asked as (
    select record_id, row_number() over () as place
    from (select unnest(from_json($ids, '["VARCHAR"]')) as record_id)
)
select a.record_id in (select record_id from raw_record where source = $source)
from asked a
order by a.place;
