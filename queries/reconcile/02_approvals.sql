-- Decisions on deployments, wherever they were told.

-- Whose a key is by which decisions are found: of which services that we know, and by which pipelines, as records say that
-- somebody vouches for. A ticket is nobody's, and signs off whatever names it, unless it has such a record of its own.
create or replace temporary table key_owner as
select k.kind, k.value, list(distinct lower(d.pipeline)) as pipelines, list(distinct d.service) as services
from deployment_key k
semi join decision using (kind, value)
join deployment d using (deployment_id)
join source_as_configured s on s.source = d.source and s.approvals = 'evidence'
join config_service c on c.service = d.service
where k.kind <> 'ticket' or d.release_key = k.value
group by all;

-- Decisions told apart, with the deployments that they are about: found by one key, and every other key fits. What is told of
-- a key that is another's says nothing of a deployment that only names it.
create or replace temporary table told_apart as
select d.deployment_id, a.* exclude (deployment_id, kind, value)
from decision a
join deployment_key k using (kind, value)
join (from deployment semi join deployment_again using (deployment_id)) d on d.deployment_id = k.deployment_id
left join key_owner o using (kind, value)
where (o.pipelines is null or list_contains(o.pipelines, lower(d.pipeline)) or list_contains(o.services, d.service))
  and coalesce(lower(a.release_id) = d.release_key, true)
  and coalesce(lower(a.pipeline) = lower(d.pipeline), true)
  and coalesce(lower(a.stage) = lower(d.stage), true)
  and coalesce(list_contains(d.run_ids, lower(a.run_id)), true)
  and coalesce(list_contains(d.tickets, lower(a.ticket)), true)
  and (a.commit_sha is null or coalesce(lower(a.commit_sha) = lower(d.commit_sha), false))
  and (a.url is null or coalesce(a.url = d.url, false))
  and (a.valid_from is null or coalesce(d.started_at >= a.valid_from, false))
  and (a.valid_to is null or coalesce(d.started_at < a.valid_to, false));

-- A deployment whose approvals its own record leaves out is known to have what was told elsewhere; a review of code does
-- not tell what the gate of the stage says.
update deployment set approvals = []
where approvals is null and deployment_id in (select deployment_id from told_apart where phase is distinct from 'review');

-- One row for each decision on a deployment, with who decided and in what role at that time.
-- keeps: approval
with
embedded as (
    select deployment_id, source, unnest(approvals) as a, generate_subscripts(approvals, 1) as position
    from deployment semi join deployment_again using (deployment_id)
),
told as (
    select deployment_id, source, position, a.phase as phase, a.decision as decision, a.approver as approver, a.decided_at as decided_at,
           a.automated as automated, a.gated as gated, a.comment as comment, null as for_commit
    from embedded
    union all by name
    select deployment_id, source, 1000 + row_number() over (partition by deployment_id order by decided_at nulls last, source, record_id) as position,
           phase, decision, approver, decided_at, automated, gated, comment, for_commit
    from told_apart
),
decided as (
    select
        t.* replace (lower(t.decision) as decision, coalesce(t.automated, false) as automated, coalesce(t.gated, false) as gated),
        d.service, d.started_at,
        coalesce(person.actor, lower(t.approver)) as approver_actor,
        person.person_id as approver_id,
        -- what is pushed is what a pipeline says about itself
        coalesce(s.approvals, 'claimed') = 'evidence' as counts,
        -- without a time it counts as before the start only where the platform itself held the stage until it was given; what
        -- is given after a deployment holds nothing
        case when t.decided_at is null then coalesce(t.gated, false) and t.phase is distinct from 'post' else coalesce(in_time(t.decided_at, d.started_at), false) end as in_time,
        coalesce(person.person_id = d.requester_id, lower(t.approver) = lower(d.requested_by), false) as by_requester,
        list_contains(d.authors, lower(t.approver))
            or exists (from config_identity i where i.person_id = person.person_id and list_contains(d.authors, i.identity)) as by_author,
        -- given for another commit than the one deployed
        coalesce(not same_commit(t.for_commit, d.commit_sha), false) as stale,
        -- who says no after having said yes, before the start, has not signed off
        coalesce('person ' || person.person_id, lower(t.approver)) as decider
    from told t
    join deployment d using (deployment_id)
    left join source_as_configured s on s.source = t.source
    left join config_identity person on person.identity = lower(t.approver)
),
refused as (
    select deployment_id, decider, coalesce(phase, 'pre') as phase, position, decided_at, counts
    from decided where decision = 'rejected' and in_time
),
taken_back as (
    select distinct d.deployment_id, d.position
    from decided d
    join refused r on r.deployment_id = d.deployment_id and r.decider = d.decider and r.phase = coalesce(d.phase, 'pre')
    -- what is only claimed takes back no evidence
    where d.decision = 'approved' and (r.counts or not d.counts) and coalesce(r.decided_at > d.decided_at, r.position > d.position)
),
ranked as (
    select
        d.*,
        (d.deployment_id, d.position) in (from taken_back) as taken_back,
        (
            select min(r.role) from config_role r
            where r.person_id = d.approver_id
              and (r.services is null or list_contains(r.services, d.service))
              and coalesce(d.decided_at, d.started_at) >= r.valid_from and coalesce(d.decided_at, d.started_at) < r.valid_to
        ) as approver_role
    from decided d
)
select
    deployment_id, position, source, phase, decision, approver, approver_actor, approver_id, decided_at, automated, gated, comment, for_commit,
    counts, in_time, by_requester, by_author, stale, taken_back, approver_role,
    -- a human decision for what is deployed, given before the start by a role holder who neither asked for it nor wrote it, and
    -- not taken back
    decision = 'approved' and not automated and counts and in_time and not stale and not taken_back and approver_role is not null and not by_requester and not by_author as valid
from ranked;
