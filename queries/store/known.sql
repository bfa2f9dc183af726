-- Incoming records that the store has already: the only look at what is stored, bounded by the times that came in. As values,
-- and apart from what has no time: so the store passes over what lies outside of them, however much there is.
create or replace temporary table known_record as
with near as (
    select record_id, hash, unit, position
    from raw_record
    where source = $source and occurred_at between $first and $last
    union all
    select record_id, hash, unit, position
    from raw_record
    where source = $source and occurred_at is null
)
select record_id, hash, unit, position
from near
semi join incoming_record using (record_id, hash);
