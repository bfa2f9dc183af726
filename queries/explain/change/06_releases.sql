-- title: Releases considered
-- description: Deployments of this service and environment that ran then, else the last before and the first after, and why each was taken or refused.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
, near as (
    select t.*, d.deployment_id, d.pipeline as deployment_pipeline, d.outcome as deployment_outcome, d.started_at, d.finished_at, d.first_recorded_at, d.recorded_late, d.window_start, d.window_end, d.ran,
           coalesce(t.held_at between d.window_start and d.window_end, false) as inside,
           row_number() over (partition by t.change_id, d.started_at <= t.held_at order by abs(epoch(d.started_at) - epoch(t.held_at)), d.deployment_id) as distance
    from chosen
    join attributed t using (change_id)
    join deployment d on d.service = t.service and d.environment = t.environment and d.started_at is not null
)
select
    n.deployment_id, n.deployment_pipeline as pipeline, n.deployment_outcome as outcome, n.started_at, n.finished_at,
    c.link_tier, c.link_key as key,
    case when n.recorded_late then 'late, at ' || strftime(n.first_recorded_at, '%Y-%m-%dT%H:%M:%SZ') else 'in time' end as recorded,
    case
        when l.deployment_id is not null then 'taken' || case when l.ambiguous then ', ambiguous: the earliest of several' else '' end
        when c.denied = 'console-flag' then 'refused: the credential was used in the web console'
        when c.denied = 'run-contradicts' then 'refused: the sign-in names another run'
        when c.denied = 'subject-undeclared' then 'refused: the federation subject is not declared for the pipeline'
        when c.denied = 'other-identity' then 'refused: this pipeline does not use that identity'
        when c.denied = 'subject-contradicts' then 'refused: the sign-in was made for another environment or job'
        when c.denied = 'identity-shared' then 'refused: not only this pipeline uses that identity'
        when c.denied = 'another-site' then 'refused: another site of the same system published it'
        when c.denied = 'other-version' then 'refused: it releases another version of this content'
        when c.denied = 'own-release' then 'refused: nobody but the editor had a part in it'
        when c.denied = 'not-approved-by-another' then 'refused: no other person had approved it by then'
        when c.deployment_id is not null then 'not taken: another one fits better'
        when not n.ran then 'refused: it never ran'
        when n.held_at < n.window_start then 'refused: it started later'
        when n.held_at > n.window_end then 'refused: it had ended'
        when n.actor_kind = 'person' then 'refused: a person''s change is never linked to a pipeline''s release'
        when n.actor_kind = 'unknown' then 'refused: who it was is not known'
        else 'refused: nothing declares this identity for a pipeline'
    end as decision
from near n
left join candidate c on c.change_id = n.change_id and c.deployment_id = n.deployment_id
left join link l on l.change_id = n.change_id and l.deployment_id = n.deployment_id
where n.inside or n.distance = 1 or c.deployment_id is not null
order by l.deployment_id is null, c.deployment_id is null, not n.inside, n.started_at, n.deployment_id;
