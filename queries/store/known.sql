-- Incoming records that the store has already: the only look at what is stored, bounded by the times that came in.
create or replace temporary table known_record as
select r.record_id, r.hash, r.unit, r.position
from raw_record r
where r.source = $source
  and (r.occurred_at between (select min(occurred_at) from incoming_record) and (select max(occurred_at) from incoming_record)
       or r.occurred_at is null)
  and (r.record_id, r.hash) in (select record_id, hash from incoming_record);
