-- What a control says, taken in; `occurred_at` is optional.
insert into control_result
select $control, subject_kind, subject_id, service, environment, result, reason, occurred_at
from (
    select null::timestamp as occurred_at where false
    union all by name
    (
{control}
    )
);
