-- title: Recorded in the central release log
-- description: Every change to live is linked to a recorded release.
-- controls: OFQ-00005/recorded
-- each: change
select
    'change' as subject_kind, change_id as subject_id, service, environment,
    case when deployment_id <> '' or verdict = 'exempted' then 'pass' else 'fail' end as result,
    -- what the verdict finds amiss with a release is no fault of its being recorded
    case when deployment_id <> '' and verdict <> 'exempted' then 'linked' else reason end as reason
from change
where service <> '' and environment = 'live' and verdict <> 'platform';
