-- Which deployments may explain a change, and by what.

-- The changes that a pipeline's release may explain: a machine's, inside a release's window. A person's change never is,
-- but for content (see 07_content.sql).
create or replace temporary table inside_window as
with
-- a window may be any length; the hours without a change in them are none of it
span as (select min(held_at) as first_at, max(held_at) as last_at from attributed_to_judge),
hour_of_window as (
    select deployment_id, service, environment, window_start, window_end,
           unnest(generate_series(
               date_trunc('hour', greatest(window_start, first_at)), date_trunc('hour', least(window_end, last_at)), interval 1 hour
           )) as hour
    from deployment
    cross join span
    where ran
),
machine as (
    select
        t.change_id, t.held_at, t.service, t.environment, t.appearance_id,
        case when t.proven_run_ids <> a.proven_run_ids then t.proven_run_ids end as proven_run_ids,
        case when len(e.correlation_ids) > 0 then [lower(x) for x in e.correlation_ids] end as correlation_ids
    from to_judge e
    join attributed_to_judge t using (change_id)
    join actor a on a.appearance_id = t.appearance_id
    where t.outcome = 'succeeded' and t.service <> '' and (t.actor_kind = 'pipeline' or (t.actor_kind = 'workload' and a.named_by_release))
)
select m.change_id, m.appearance_id, w.deployment_id, m.proven_run_ids, m.correlation_ids
from machine m
join hour_of_window w
  on w.service = m.service and w.environment = m.environment and w.hour = date_trunc('hour', m.held_at)
 and m.held_at between w.window_start and w.window_end;

-- Changes whose sign-in names a run that the log does not know: whatever else it names, that contradicts.
create or replace temporary table unknown_run as
select distinct change_id
from (select change_id, unnest(proven_run_ids) as run_id from attributed_to_judge)
anti join (select distinct unnest(run_ids) as run_id from deployment) using (run_id);

-- Whose an identity is: of which pipelines it has a key that no other pipeline declares for that environment, or of an
-- automation. A role that several share tells of none of them; a chain that begins with another's identity tells of two.
create or replace temporary table identity_owner as
with
shown as (
    select distinct i.appearance_id, d.environment from inside_window i join deployment d using (deployment_id)
),
declared as (
    select s.appearance_id, s.environment, p.pipeline, unnest(p.keys) as key
    from shown s
    join appearance_pipeline p using (appearance_id)
    where p.valid and (p.environment is null or p.environment = s.environment)
),
own as (
    select appearance_id, environment, any_value(pipeline) as pipeline
    from declared group by appearance_id, environment, key having count(distinct pipeline) = 1
),
automated as (
    select s.appearance_id, s.environment
    from shown s
    join (select appearance_id, unnest(automation_keys) as key from actor) a using (appearance_id)
    anti join declared d using (appearance_id, environment, key)
)
select appearance_id, environment, list(distinct pipeline) as pipelines
from (from own union all by name select appearance_id, environment, '' as pipeline from automated)
group by appearance_id, environment;

-- Subjects that the other deployments of a run name: `told` all of them, and whether any is of a deployment to the same place.
create or replace temporary table subjects_of_others as
with named as (
    select deployment_id, pipeline, service, environment, subjects, unnest(run_ids) as run_id from deployment where len(subjects) > 0
)
select d.deployment_id, flatten(list(o.subjects)) as told, bool_or(o.service = d.service and o.environment = d.environment) as in_this_place
from named d
join named o using (pipeline, run_id)
where not list_has_any(o.subjects, d.subjects)
group by d.deployment_id;

-- How an actor fits a deployment in whose window it made changes: asked once for all of these.
create or replace temporary table actor_in_window as
select
    i.appearance_id, i.deployment_id, d.started_at, d.pipeline as deployment_pipeline, d.run_ids, d.correlation_ids,
    a.pipeline, a.pipeline_valid, a.console, a.proven_run_ids,
    list_intersect(a.proven_run_ids, d.run_ids)[1] as run_id,
    list_intersect(a.session_names, list_concat(d.run_ids, d.session_names))[1] as session_name,
    case
        when list_has_any(a.roles, d.roles) then 'role named by the record'
        when list_has_any(d.app_ids, a.applications) then 'application named by the record'
        when a.root_type = 'federated' and (a.subject_vouched or t.trusts) and list_has_any(d.subjects, subject_spellings(a.subject)) then 'subject named by the record'
    end as named_key,
    exists (
        from appearance_pipeline p
        where p.appearance_id = i.appearance_id and p.valid and p.pipeline = d.pipeline
          and (p.environment is null or p.environment = d.environment)
    ) as declared,
    coalesce(o.pipelines = [d.pipeline], false) as owned,
    -- another environment, or another job, of the same repository: what stands last differs, and all before it is the same
    a.root_type = 'federated' and named_key is null and len(list_filter(d.subjects, lambda x: contains(x, '*'))) = 0
        and list_has_any([regexp_replace(x, '[^:]*$', '') for x in d.subjects], [regexp_replace(x, '[^:]*$', '') for x in subject_spellings(a.subject)]) as another_subject,
    -- but one record may tell of a run that deploys to several, each with a declared subject of its own: unless the subject is
    -- another deployment's, or the run's deployments there are told apart
    run_id is not null and not coalesce(so.in_this_place or list_has_any(so.told, subject_spellings(a.subject)), false)
        and exists (
            from appearance_pipeline p
            where p.appearance_id = i.appearance_id and p.pipeline = d.pipeline and (p.environment is null or p.environment = d.environment)
              and len(list_filter(p.keys, lambda k: starts_with(k, 'subject '))) > 0
        ) as subject_of_the_run
from (select distinct appearance_id, deployment_id from inside_window) i
join deployment d using (deployment_id)
join actor a using (appearance_id)
left join identity_owner o on o.appearance_id = i.appearance_id and o.environment = d.environment
left join (select appearance_id, pipeline, bool_or(trusts) as trusts from appearance_pipeline group by all) t on t.appearance_id = i.appearance_id and t.pipeline = d.pipeline
left join subjects_of_others so on so.deployment_id = i.deployment_id;

-- keeps: candidate
with keyed as (
    -- the key that matches, strongest first; a run id that the provider vouches for before a name that can only confirm
    select
        i.change_id, f.*,
        len(coalesce(i.proven_run_ids, f.proven_run_ids)) > 0 as has_run, u.change_id is not null as names_unknown_run,
        coalesce(
            'run id ' || case when i.proven_run_ids is null then f.run_id else list_intersect(i.proven_run_ids, f.run_ids)[1] end,
            'correlation id ' || list_intersect(i.correlation_ids, f.correlation_ids)[1],
            'session name ' || f.session_name
        ) as exact_key
    from inside_window i
    join actor_in_window f using (appearance_id, deployment_id)
    left join unknown_run u using (change_id)
)
select
    change_id, deployment_id, started_at,
    case when exact_key is not null then 'exact' else 'identity' end as link_tier,
    coalesce(exact_key, named_key, 'identity of pipeline ' || deployment_pipeline) as link_key,
    case
        when console then 'console-flag'
        when names_unknown_run or (has_run and (exact_key is null or exact_key like 'session name%')) then 'run-contradicts'
        when not declared and named_key is null and not pipeline_valid and pipeline is not null then 'subject-undeclared'
        when not declared and named_key is null then 'other-identity'
        when another_subject and not subject_of_the_run then 'subject-contradicts'
        when exact_key is null and named_key is null and not owned then 'identity-shared'
    end as denied
from keyed
union all by name
from content_candidate;
