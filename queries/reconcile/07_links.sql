-- Which deployment explains which change.

-- Each change with the actor that counts: the initiator of its operation, else its own.
create or replace table attributed as
with shown as (
    select
        e.change_id,
        coalesce(i.operation_started_at, e.occurred_at) as held_at,      -- the time that a release's window must hold
        e.appearance_id as own_appearance_id,
        coalesce(i.initiator_id, e.appearance_id) as appearance_id,
        case
            when i.other_initiators is not null then 'several-initiators'
            when e.on_behalf_of = 'initiator' and i.change_id is null and own.actor_kind <> 'person' then 'initiator-unseen'
        end as open_question,
        e.run_ids
    from change_event e
    join actor own using (appearance_id)
    left join initiated i using (change_id)
)
select
    t.change_id, t.held_at, s.service, s.environment, t.appearance_id, t.own_appearance_id,
    -- where more than one may have started it, or nobody saw who did, the role says nothing of who it was
    case when open_question is not null then 'unknown' else a.actor_kind end as actor_kind,
    case open_question when 'several-initiators' then '' when 'initiator-unseen' then lower(coalesce(a.actor_role, a.actor_name, '')) else a.actor end as actor,
    case when open_question is not null then 'claimed' else a.actor_basis end as actor_basis,
    coalesce(open_question, a.actor_reason) as actor_reason,
    -- run ids that the provider vouches for: of the sessions, and of the change itself
    case when len(t.run_ids) > 0 then list_concat(a.proven_run_ids, [lower(x) for x in t.run_ids]) else a.proven_run_ids end as proven_run_ids
from shown t
join actor a on a.appearance_id = t.appearance_id
join change_scope s using (change_id);

-- Only machines are explained by a pipeline's release; a person's change never is, but for content (see 07_content.sql).
create or replace table candidate as
with
machine as (
    select t.change_id, t.held_at, t.service, t.environment, t.appearance_id, t.proven_run_ids,
           a.pipeline, a.pipeline_valid, a.root_type, a.console, a.roles, a.subject, a.actor_role, a.actor_type, a.session_names,
           [lower(x) for x in coalesce(e.correlation_ids, [])] as correlation_ids
    from attributed t
    join change_event e using (change_id)
    join actor a on a.appearance_id = t.appearance_id
    where e.outcome = 'succeeded' and t.service <> '' and (t.actor_kind = 'pipeline' or (t.actor_kind = 'workload' and a.named_by_release))
),
windows as (
    select deployment_id, service, environment, pipeline, started_at, window_start, window_end, roles, app_ids, subjects,
           unnest(generate_series(date_trunc('hour', window_start), date_trunc('hour', window_end), interval 1 hour)) as hour
    from deployment
    where ran
),
inside as (
    select m.*, w.deployment_id, w.pipeline as deployment_pipeline, w.started_at, w.roles as deployment_roles, w.app_ids as deployment_app_ids, w.subjects as deployment_subjects
    from machine m
    join windows w
      on w.service = m.service and w.environment = m.environment and w.hour = date_trunc('hour', m.held_at)
     and m.held_at between w.window_start and w.window_end
),
keyed as (
    -- the key that matches, strongest first; a run id that the provider vouches for before a name that can only confirm
    select
        i.*,
        case
            when list_has_any(i.proven_run_ids, d.run_ids) then 'run id ' || list_intersect(i.proven_run_ids, d.run_ids)[1]
            when list_has_any(i.correlation_ids, d.correlation_ids) then 'correlation id ' || list_intersect(i.correlation_ids, d.correlation_ids)[1]
            when list_has_any(i.session_names, list_concat(d.run_ids, d.session_names)) then 'session name ' || list_intersect(i.session_names, list_concat(d.run_ids, d.session_names))[1]
        end as exact_key,
        case
            when list_has_any(i.roles, i.deployment_roles) then 'role named by the record'
            when i.actor_type = 'application' and list_contains(i.deployment_app_ids, lower(i.actor_role)) then 'application named by the record'
            when i.root_type = 'federated' and list_has_any(i.deployment_subjects, subject_spellings(i.subject)) then 'subject named by the record'
        end as named_key,
        exists (
            from appearance_pipeline p
            where p.appearance_id = i.appearance_id and p.valid and p.pipeline = i.deployment_pipeline
              and (p.environment is null or p.environment = i.environment)
        ) as declared
    from inside i
    join deployment d using (deployment_id)
)
select
    change_id, deployment_id, started_at,
    case when exact_key is not null then 'exact' else 'identity' end as link_tier,
    coalesce(exact_key, named_key, 'identity of pipeline ' || deployment_pipeline) as link_key,
    case
        when console then 'console-flag'
        when len(proven_run_ids) > 0 and (exact_key is null or exact_key like 'session name%') then 'run-contradicts'
        when not declared and named_key is null and not pipeline_valid and pipeline is not null then 'subject-undeclared'
        when not declared and named_key is null then 'other-identity'
    end as denied
from keyed
union all by name
from content_candidate;

-- The link: an exact candidate settles what identity leaves open; of several at one tier the earliest is taken.
create or replace table link as
with best as (
    select c.*, count(*) over (partition by change_id, link_tier) as rivals
    from candidate c
    where denied is null
)
select change_id, deployment_id, link_tier, link_key, rivals > 1 as ambiguous
from best
qualify row_number() over (partition by change_id order by link_tier = 'exact' desc, started_at, deployment_id) = 1;
