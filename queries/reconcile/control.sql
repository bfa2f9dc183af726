-- What a control says, taken in, but for changes that keep their verdict and with it these results; a control of one's own
-- ($own) may look at more than the change. `occurred_at` is optional.
insert into control_result
select
    $control, r.subject_kind, r.subject_id, r.service, r.environment,
    case when x.control is null then r.result else 'not-applicable' end,
    case when x.control is null then r.reason else x.reason end,
    r.occurred_at
from (
    select null::timestamp as occurred_at where false
    union all by name
    (
{control}
    )
) r
left join excused x on x.service = r.service and x.control = $control and x.subject_kind = r.subject_kind
where $own or (select everything from run) or r.subject_kind <> 'change' or r.subject_id in (select change_id from change_again);
