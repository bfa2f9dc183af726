-- title: Repeatable
-- description: Live ran the same artifact and the same steps as pre-production did, where these are recorded.
-- severity: medium
-- controls: OFQ-00005/repeatable
with
live as (
    select * from deployment where environment = 'live' and ran
),
preprod as (
    -- the pre-production run that live is held against: the last that had succeeded by then, else the last at all
    select l.deployment_id as live_id, p.*
    from live l
    join deployment p on p.service = l.service and p.release_id = l.release_id and p.environment = 'preprod' and p.ran
    qualify row_number() over (
        partition by l.deployment_id
        order by p.outcome = 'succeeded' and coalesce(p.finished_at <= l.started_at, false) desc, p.outcome = 'succeeded' desc, p.started_at desc, p.deployment_id
    ) = 1
),
compared as (
    select
        l.deployment_id, l.service, l.environment,
        p.deployment_id as preprod_id,
        -- the strongest key that either has decides
        case
            when l.artifact_digest is not null or p.artifact_digest is not null then 'artifact digest'
            when l.commit_sha is not null or p.commit_sha is not null then 'commit'
            when l.version is not null or p.version is not null then 'version'
        end as key,
        case
            when l.artifact_digest is not null or p.artifact_digest is not null then l.artifact_digest = p.artifact_digest
            when l.commit_sha is not null or p.commit_sha is not null then l.commit_sha = p.commit_sha
            else l.version = p.version
        end as same,
        l.steps_digest is not null or p.steps_digest is not null as steps_known,
        l.steps_digest = p.steps_digest as same_steps
    from live l
    left join preprod p on p.live_id = l.deployment_id
)
select
    'deployment' as subject_kind, deployment_id as subject_id, service, environment,
    case
        when preprod_id is null then 'no-evidence'
        when not same or not same_steps then 'fail'
        when key is null or same is null or (steps_known and same_steps is null) then 'no-evidence'
        else 'pass'
    end as result,
    case
        when preprod_id is null then 'nothing-to-compare'
        when not same then 'different-artifact'
        when not same_steps then 'different-steps'
        when key is null or same is null or (steps_known and same_steps is null) then 'nothing-to-compare'
        else 'same-as-preprod'
    end as reason
from compared;
