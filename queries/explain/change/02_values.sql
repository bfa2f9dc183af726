-- title: Before and after
-- description: What was another way before, field by field: as the record itself says, or as the system compared the resource for the same operation.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
),
compared as (
    select e.occurred_at, e.source, e.record_id, e.diffs
    from chosen
    join telling e using (change_id)
    where e.diffs is not null
),
field as (
    select occurred_at, source, record_id, unnest(from_json(diffs, '[{"field": "VARCHAR", "old": "VARCHAR", "new": "VARCHAR"}]'), recursive := true)
    from compared
)
select field, old, new, occurred_at as compared_at, source, record_id
from field
order by compared_at, record_id, field;
