-- Contents that came in more than once, with the place that counts. Looked for without touching the records. Where the order
-- of records counts each place does.
create or replace temporary table repeated_record as
with more_than_once as (
    select record_id, hash from incoming_record anti join (from incoming_unit where in_order) o using (unit) group by record_id, hash having count(*) > 1
)
select record_id, hash, arg_min(unit, (unit, position)) as unit, arg_min(position, (unit, position)) as position
from incoming_record
semi join more_than_once using (record_id, hash)
group by record_id, hash;
