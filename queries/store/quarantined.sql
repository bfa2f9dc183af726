-- What a batch has set aside.
select unit, position, stage, hash, error, day::varchar
from quarantine
where batch_id = $batch_id and stage = 'read';
