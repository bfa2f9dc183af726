-- title: Delivered by automated mechanisms
-- description: No change, in any environment, is made by hand: it is linked to a release, or a machine made it.
-- controls: OFQ-00005/automated, SOC2 CC8.1, ISO27001 A.8.32
-- each: change
select
    'change' as subject_kind, change_id as subject_id, service, environment,
    case
        when deployment_id <> '' or actor_kind in ('pipeline', 'workload', 'platform') then 'pass'
        when verdict = 'exempted' then 'pass'
        when actor_kind = 'person' then 'fail'
        else 'no-evidence'
    end as result,
    case
        when verdict = 'exempted' then reason
        when deployment_id <> '' then 'linked'
        when actor_kind in ('pipeline', 'workload', 'platform') then 'machine-made'
        else reason
    end as reason
from change
where service <> '' and verdict <> 'platform';
