-- A mapping's approvals: each decision with the deployment that it names, or with keys that find it.
insert into approval_version
select
    $source, m.record_id, raw.raw_hash, m.deployment_id, text_of(m.release_id), text_of(m.pipeline), text_of(m.stage), text_of(m.run_id),
    text_of(m.ticket), text_of(m.commit_sha), m.url,
    m.valid_from, m.valid_to, phase_of(m.phase), decision_of(m.decision), text_of(m.approver), m.decided_at, m.automated, m.gated, m.for_commit, m.comment,
    raw.batch_id
from (
    select
        null::varchar as record_id, null::varchar as deployment_id, null::varchar as release_id, null::varchar as pipeline,
        null::varchar as stage, null::varchar as run_id, null::varchar as ticket, null::varchar as commit_sha, null::varchar as url,
        null::timestamp as valid_from, null::timestamp as valid_to, null::varchar as phase, null::varchar as decision,
        null::varchar as approver, null::timestamp as decided_at, null::boolean as automated, null::boolean as gated,
        null::varchar as for_commit, null::varchar as comment, null::varchar as problem
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
where coalesce(m.problem, not_a_decision(m.decision, m.phase)) is null
  and coalesce(m.deployment_id, text_of(m.release_id), text_of(m.run_id), text_of(m.ticket), text_of(m.commit_sha), m.url) is not null;
