-- What a control says, taken in, but for changes that keep their verdict, and deployments of which nothing else is known: these
-- keep their results. `occurred_at` is optional.
insert into control_result
with
said as (
    from (
        select null::timestamp as occurred_at where false
        union all by name
        (
{control}
        )
    )
    where $whole or case subject_kind
        when 'change' then subject_id in (select change_id from change_again)
        when 'deployment' then subject_id in (select deployment_id from control_again)
        else true
    end
),
-- what of it is excused at the time of the act: when a deployment started, when a change was made; pipelines and services are
-- judged as they are now
excuse as (
    select r.subject_kind, r.subject_id, r.service, arg_min(x.reason, (x.place, x.reason)) as reason
    from said r
    join excused x on x.service = r.service and x.control = $control and x.subject_kind = r.subject_kind
    cross join run
    left join act a on a.subject_kind = r.subject_kind and a.subject_id = r.subject_id
    where coalesce(a.acted_at, run.now) >= x.valid_from and coalesce(a.acted_at, run.now) < x.valid_to
    group by r.subject_kind, r.subject_id, r.service
)
select
    $control, r.subject_kind, r.subject_id, r.service, r.environment,
    case when x.reason is null then r.result else 'not-applicable' end,
    coalesce(x.reason, r.reason),
    r.occurred_at
from said r
left join excuse x on x.subject_kind = r.subject_kind and x.subject_id = r.subject_id and x.service = r.service;
