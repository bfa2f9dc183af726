-- What could not be read; met again in the same place, it is the same row.
insert into quarantine
select $source, i.unit, i.position, 'read', i.error, i.hash, i.day, $batch_id, i.record
from incoming_quarantine i
where not exists (
    from quarantine q
    where q.source = $source and q.unit = i.unit and q.position = i.position and q.hash = i.hash and q.stage = 'read'
);
