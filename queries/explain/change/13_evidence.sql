-- title: Evidence
-- description: Every raw record that tells of this change, with its hash and where it was read.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select
    r.source, r.record_id, r.hash as sha256, r.received_hmac is not null as secrets_replaced, r.unit, r.position, r.batch_id, b.committed_at, b.hash as batch_hash,
    e.outcome, r.record
from chosen
join telling e using (change_id)
join raw_record r on r.source = e.source and r.record_id = e.record_id and r.hash = e.raw_hash
left join batch b on b.batch_id = r.batch_id
order by e.occurred_at, r.source, r.record_id;
