-- New records, each content once: the first by unit and position.
insert into raw_record
select $source, i.record_id, i.hash, i.received_hmac, i.occurred_at, i.unit, i.position, $batch_id, i.record
from incoming_record i
where not exists (from known_record k where k.record_id = i.record_id and k.hash = i.hash)
qualify row_number() over (partition by i.record_id, i.hash order by i.unit, i.position) = 1
order by i.unit, i.position;
