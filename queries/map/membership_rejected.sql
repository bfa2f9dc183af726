insert into quarantine
select distinct $source, raw.unit, raw.position::varchar, 'map',
       case
           when m.group_id is null then 'the membership names no group'
           when m.member_id is null then 'the membership names no member'
           when m.is_member is null then 'the membership does not say whether it began or ended'
           else 'the membership has no time'
       end,
       raw.raw_hash, coalesce(raw.occurred_at, b.committed_at, $now)::date, 0, raw.record
from (
    select null::varchar as record_id, null::varchar as group_id, null::varchar as member_id, null::boolean as is_member, null::timestamp as told_at
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where m.group_id is null or m.member_id is null or m.is_member is null or m.told_at is null;
