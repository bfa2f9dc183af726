-- title: Repeatable
-- description: Live ran the same artifact and the same steps as pre-production did, where these are recorded; else by the
--   same definition of the pipeline.
-- controls: OFQ-00005/repeatable
with
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
            when l.artifact_digest is not null or p.artifact_digest is not null then lower(l.artifact_digest) = lower(p.artifact_digest)
            when l.commit_sha is not null or p.commit_sha is not null then same_commit(l.commit_sha, p.commit_sha)
            else l.version = p.version
        end as same,
        l.steps_digest is not null or p.steps_digest is not null as steps_known,
        lower(l.steps_digest) = lower(p.steps_digest) as same_steps,
        -- where no steps were recorded, their definition tells whether they can be the same
        n.deployment_id is not null as redefined
    from deployment l
    left join proving_run r on r.live_id = l.deployment_id
    left join deployment p on p.deployment_id = r.deployment_id
    left join redefinition n on n.deployment_id = l.deployment_id
    where l.environment = 'live' and l.ran
)
select
    'deployment' as subject_kind, deployment_id as subject_id, service, environment,
    case
        when preprod_id is null then 'no-evidence'
        when not same or not same_steps or (redefined and not steps_known) then 'fail'
        when key is null or same is null or (steps_known and same_steps is null) then 'no-evidence'
        else 'pass'
    end as result,
    case
        when preprod_id is null then 'nothing-to-compare'
        when not same then 'different-artifact'
        when not same_steps then 'different-steps'
        when redefined and not steps_known then 'definition-changed'
        when key is null or same is null or (steps_known and same_steps is null) then 'nothing-to-compare'
        else 'same-as-preprod'
    end as reason
from compared;
