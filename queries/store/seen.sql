-- The etag with which each asked unit was last read to its end, in the order asked; a unit that could not be read to
-- its end counts too: it is read again when it changes.
with asked as (
    select unit, row_number() over () as place
    from (select unnest(from_json($units, '["VARCHAR"]')) as unit)
)
select u.etag
from asked a
left join unit u on u.source = $source and u.unit = a.unit and u.complete
order by a.place;
