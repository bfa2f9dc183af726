-- New records, each content once: of copies in one commit the first by unit and position.
insert into raw_record
select $source, i.record_id, i.hash, i.received_hmac, i.occurred_at, i.unit, i.position, $batch_id, i.record
from incoming_record i
where not exists (from known_record k where k.record_id = i.record_id and k.hash = i.hash)
  and not exists (
      from repeated_record r
      where r.record_id = i.record_id and r.hash = i.hash and (r.unit, r.position) <> (i.unit, i.position)
  );
