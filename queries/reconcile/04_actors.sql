-- Who is really behind each change and attempt. The order is the design's: proven (sign-in evidence followed to its
-- root; an SSO role's session), then claimed (source identity; a session name that the roster knows), then declared.

create or replace temporary table appearance_automation as
with keys as (
    -- also where it went on from its own role to another
    select appearance_id, 'role' as kind, unnest(roles) as value from appearance_facts
    union all
    select appearance_id, 'user', lower(root_name) from appearance_facts where root_type = 'user'
    union all
    select appearance_id, 'application', unnest(applications) from appearance_facts
    union all
    select appearance_id, 'actor', lower(actor_name) from appearance_facts where actor_type not in ('role', 'user', 'service')
)
select distinct k.appearance_id, a.position, k.kind, k.value
from keys k join config_automation_key a on a.kind = k.kind and a.value = k.value;

-- Roles, applications and subjects that a release record names need no declaration.
create or replace temporary table appearance_named as
with named as (
    select unnest(roles) as value, 'role' as kind from deployment
    union
    select unnest(app_ids), 'application' from deployment
    union
    select unnest(subjects), 'subject' from deployment
)
select distinct f.appearance_id
from (
    select appearance_id, 'role' as kind, unnest(roles) as value from appearance_facts
    union all
    select appearance_id, 'application', unnest(applications) from appearance_facts
    union all
    select appearance_id, 'subject', unnest(subject_spellings(subject)) from appearance_facts where root_type = 'federated' and subject is not null and subject_vouched
) f
join named using (kind, value);

-- The judgement: who, of what kind, on what basis; and the reason where that decides the verdict.
-- keeps: actor
with
known as (
    select
        f.*,
        proven.person_id as proven_id, proven.actor as proven_actor,
        claimed.person_id as claimed_id, claimed.actor as claimed_actor, coalesce(claimed.several, false) as claimed_several,
        p.pipeline, p.valid as pipeline_valid, p.shared as pipeline_shared,
        -- a user who took the pipeline's role or account is not the pipeline's: evidence comes before the declaration
        f.root_type = 'user' and proven.person_id is null and not coalesce(p.by_user, false) and not coalesce(a.by_user, false) and f.actor_type in ('role', 'application') as stranger,
        -- a system that does not tell people from machines: the configuration names the machine, the roster nobody
        coalesce(p.by_name, false) and proven.person_id is null and f.root_type = 'person' and f.actor_type = 'person' as machine_by_name,
        a.automations, a.automation_keys,
        n.appearance_id is not null as named_by_release
    from appearance_facts f
    left join (
        select appearance_id, arg_min(i.person_id, s.place) as person_id, arg_min(i.actor, s.place) as actor
        from (select appearance_id, unnest(proven_spellings) as spelling, generate_subscripts(proven_spellings, 1) as place from appearance_facts) s
        join config_identity i on i.identity = s.spelling
        group by appearance_id
    ) proven using (appearance_id)
    left join (
        -- a source identity cannot be changed on the way; session names of more than one person leave open who it was
        select appearance_id, min(s.place) > any_value(s.sources) and count(distinct i.person_id) > 1 as several,
               case when not several then arg_min(i.person_id, s.place) end as person_id, case when not several then arg_min(i.actor, s.place) end as actor
        from (
            select appearance_id, unnest(claimed_names) as spelling, generate_subscripts(claimed_names, 1) as place, len(source_identities) as sources
            from appearance_facts
        ) s
        join config_identity i on i.identity = s.spelling
        group by appearance_id
    ) claimed using (appearance_id)
    left join (
        select appearance_id, arg_max(pipeline, (valid, -position)) as pipeline, bool_or(valid) as valid, bool_or(by_name) as by_name, bool_or(by_user) as by_user,
               -- of those that it may be by what it shows
               coalesce(nullif(count(distinct pipeline) filter (valid), 0), count(distinct pipeline)) > 1 as shared
        from appearance_pipeline_to_judge group by appearance_id
    ) p using (appearance_id)
    left join (
        select appearance_id, list_sort(list(distinct position)) as automations, list_sort(list(distinct kind || ' ' || value)) as automation_keys, bool_or(kind = 'user') as by_user
        from appearance_automation group by appearance_id
    ) a using (appearance_id)
    left join appearance_named n using (appearance_id)
),
judged as (
    select
        *,
        actor_type = 'service' or provider_role or (actor_type = 'application' and root_type = 'service') as by_provider,
        case
            -- proven
            when several or cut then 'unknown'
            when machine_by_name then 'pipeline'
            when proven_person_type is not null then 'person'
            when root_type in ('user', 'federated') and proven_id is not null then 'person'
            when by_provider then 'platform'
            -- a machine, where evidence or declaration says so; a name that the caller chose excuses nothing
            when root_type in ('undocumented', 'role', 'account', 'unknown') and pipeline is not null and (claimed_id is not null or claimed_several) then 'unknown'
            when stranger then 'unknown'
            when pipeline is not null then 'pipeline'
            when automations is not null and claimed_id is null and not claimed_several then 'platform'
            when root_type in ('federated', 'service', 'workload', 'application') then 'workload'
            when root_type in ('undocumented', 'role', 'account', 'unknown') and claimed_id is not null then 'person'
            when root_type in ('undocumented', 'role', 'account') and console then 'person'
            when claimed_several then 'unknown'
            when root_type in ('undocumented', 'role', 'account') and named_by_release then 'workload'
            when root_type = 'undocumented' and regexp_matches(coalesce(session_name, ''), '^i-[0-9a-f]{8,17}$') then 'workload'
            else 'unknown'
        end as kind
    from known
)
select
    appearance_id, system, actor_type, actor_name, actor_role, session_name, session_key, session_started, source_identity, invoked_by, console,
    kind as actor_kind,
    case
        when kind = 'person' and (proven_person_type is not null or proven_id is not null) then 'proven'
        when kind = 'person' then 'claimed'
        when root_type in ('undocumented', 'role', 'account', 'unknown') and not (kind = 'platform' and by_provider) then 'claimed'
        else 'proven'
    end as actor_basis,
    lower(coalesce(case
        when kind = 'person' and coalesce(proven_person_type is not null or root_type in ('user', 'federated'), false) then coalesce(proven_actor, proven_name, root_name)
        when kind = 'person' and claimed_several then actor_name
        when kind = 'person' then coalesce(claimed_actor, first_session_name, session_name, actor_name)
        when kind = 'pipeline' and not pipeline_shared then pipeline
        -- which of several pipelines it was only a release tells
        when kind in ('pipeline', 'workload') then coalesce(actor_role, actor_name, subject, root_name)
        when kind = 'platform' then coalesce(invoked_by, actor_role, actor_name)
        else coalesce(claimed_actor, actor_name, '')
    end, '')) as actor,
    case when kind = 'person' then coalesce(proven_id, case when proven_person_type is null then claimed_id end) end as person_id,
    pipeline,
    coalesce(pipeline_valid, false) as pipeline_valid,
    coalesce(automations, []) as automations, coalesce(automation_keys, []) as automation_keys,
    named_by_release,
    case
        when several then 'several-sign-ins'
        when kind = 'unknown' and pipeline is not null and (claimed_id is not null or claimed_several) then 'claimed-name'
        -- AWS names a vendor by the number of its account
        when kind = 'unknown' and system = 'aws' and root_type = 'user' and regexp_full_match(root_name, '\d{12}') then 'delegated-access'
        when kind = 'unknown' and root_type = 'user' then 'unknown-user'
        when kind = 'unknown' and root_type in ('undocumented', 'role', 'account') then 'caller-unseen'
        when kind = 'unknown' then 'nobody-named'
        when kind = 'person' and root_type = 'root' then 'root-user'
        when kind = 'person' and pipeline is not null then 'person-behind-pipeline-role'
        when kind = 'person' and proven_person_type is null and root_type <> 'user' and claimed_id is not null then 'human-session-name'
        when kind = 'person' and console then 'console-session'
        when kind = 'person' and root_type = 'user' then 'iam-user-person'
        when kind = 'person' and (sso_role or root_type in ('person', 'federated')) then 'sso-session'
        when kind = 'person' then 'person'
    end as actor_reason,
    root_type, provider, subject, subject_vouched, roles, applications, session_id, session_records,
    -- a key that is no session's (a user's own) says nothing of what belongs together
    coalesce(
        case when not several and root_key is distinct from lower(actor_role) then root_key end,
        case when (actor_type not in ('user', 'root') and session_key is distinct from lower(actor_role)) or session_started is not null then session_key end,
        case when session_started is not null then actor_name || '@' || session_started::varchar end
    ) as root_key,
    [lower(x) for x in proven_run_ids] as proven_run_ids,
    -- CodeBuild names its sessions after the build
    list_distinct(list_filter(list_concat(
        [lower(x) for x in list_append(chain_session_names, session_name)],
        [lower(regexp_replace(x, '^AWSCodeBuild-', '')) for x in list_append(chain_session_names, session_name)]
    ), lambda x: x is not null)) as session_names
from judged;
