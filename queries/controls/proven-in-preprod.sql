-- title: Proven in pre-production
-- description: An earlier succeeded pre-production deployment of the same release finished before live started.
-- controls: OFQ-00005/proven-in-preprod
-- each: deployment
with proof as (
    select
        l.deployment_id, l.service, l.environment,
        count(p.deployment_id) as tried,
        coalesce(bool_or(p.outcome = 'succeeded'), false) as succeeded,
        coalesce(bool_or(p.outcome = 'succeeded' and in_time(p.finished_at, l.started_at)), false) as proven
    from deployment l
    left join deployment p
      on p.service = l.service and p.release_key = l.release_key and p.environment = 'preprod' and p.ran
    where l.environment = 'live' and l.ran
    group by all
)
select
    'deployment' as subject_kind, deployment_id as subject_id, service, environment,
    case when proven then 'pass' else 'fail' end as result,
    case
        when proven then 'proven'
        when succeeded then 'proven-too-late'
        when tried > 0 then 'preprod-failed'
        else 'not-in-preprod'
    end as reason
from proof;
