-- Which deployment explains which change.

-- Each change with the actor that counts: the initiator of its operation, else its own.
create or replace table attributed as
select
    e.change_id, e.occurred_at,
    coalesce(i.operation_started_at, e.occurred_at) as held_at,      -- the time that a release's window must hold
    s.service, s.environment,
    coalesce(i.initiator_id, own.appearance_id) as appearance_id,
    own.appearance_id as own_appearance_id,
    case when i.other_initiators is not null then 'unknown' else a.actor_kind end as actor_kind,
    case when i.other_initiators is not null then '' else a.actor end as actor,
    case when i.other_initiators is not null then 'claimed' else a.actor_basis end as actor_basis,
    case
        when i.other_initiators is not null then 'several-initiators'
        when e.on_behalf_of = 'initiator' and i.change_id is null then 'initiator-unseen'
        else a.actor_reason
    end as actor_reason,
    a.person_id, a.pipeline, a.pipeline_valid, a.automation, a.named_by_release, a.root_type, a.console, a.root_key, a.roles, a.subject,
    a.actor_role, a.actor_name, a.actor_type,
    list_concat(a.proven_run_ids, [lower(x) for x in coalesce(e.run_ids, [])]) as proven_run_ids,
    a.session_names,
    [lower(x) for x in coalesce(e.correlation_ids, [])] as correlation_ids,
    i.operation, i.operation_record, i.other_initiators,
    e.action, e.outcome
from change_event e
join actor own
  on own.system = e.system and own.actor_type = e.actor_type and own.actor_name is not distinct from e.actor_name
 and own.actor_role is not distinct from e.actor_role and own.session_name is not distinct from e.session_name
 and own.session_key is not distinct from e.session_key and own.session_started is not distinct from e.session_started
 and own.source_identity is not distinct from e.source_identity and own.invoked_by is not distinct from e.invoked_by
 and own.console = e.console
left join initiated i using (change_id)
join actor a on a.appearance_id = coalesce(i.initiator_id, own.appearance_id)
join change_scope s using (change_id);

-- A service that acts for an initiator whom nobody saw: the role says nothing of who it was.
update attributed set actor_kind = 'unknown', actor_basis = 'claimed', actor = lower(coalesce(actor_role, actor_name, ''))
where actor_reason = 'initiator-unseen';

-- Only machines are explained by a release; a person's change is never linked to one.
create or replace table candidate as
with
machine as (
    select * from attributed
    where outcome = 'succeeded' and service <> '' and (actor_kind = 'pipeline' or (actor_kind = 'workload' and named_by_release))
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
            when i.root_type = 'federated' and list_contains(i.deployment_subjects, lower(i.subject)) then 'subject named by the record'
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
from keyed;

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
