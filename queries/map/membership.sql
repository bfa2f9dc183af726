-- A mapping's facts of who is in which group.
insert into membership_told
select $source, m.record_id, raw.raw_hash, m.group_id, m.group_name, m.member_id, m.member_name,
       list_distinct(list_filter(coalesce(m.identities, []), lambda x: x <> '')), m.is_member, m.told_at, coalesce(m.is_first, false)
from (
    select
        null::varchar as record_id, null::varchar as group_id, null::varchar as group_name, null::varchar as member_id,
        null::varchar as member_name, null::varchar[] as identities, null::boolean as is_member, null::timestamp as told_at,
        null::boolean as is_first
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
where m.group_id is not null and m.member_id is not null and m.is_member is not null and m.told_at is not null;
