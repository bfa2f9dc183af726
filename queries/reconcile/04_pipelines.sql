-- What evidence says of each appearance that is made out, and which pipelines it may be.

-- A person's own name. AWS writes an account, and a role, before it, Google the pool that it is a subject of; anywhere else
-- what stands before a slash is part of the name: the same name from two identity providers is two people.
create or replace temporary macro own_name(system, x) as
    case
        when system = 'aws' and regexp_matches(x, '^arn:[^:]*:(sts|iam)::') then last_name(x)
        when system = 'gcp' and starts_with(x, 'principal://iam.googleapis.com/') then regexp_replace(x, '^.*?/subject/', '')
        else x
    end;

-- A name as it is compared: what nobody sees makes no other person.
create or replace temporary macro name_of(x) as text_of(replace(x, chr(0), ''));

-- What evidence says of each appearance, side by side.
create or replace temporary table appearance_facts as
with
facts as (
    select
        a.* replace (name_of(a.actor_name) as actor_name),
        c.session_id,
        coalesce(s.several, false) as several,
        -- without sign-in evidence the appearance is its own root
        coalesce(c.caller_type, case when a.actor_type = 'role' then 'undocumented' else a.actor_type end) as root_type,
        name_of(case when c.session_id is null then a.actor_name else c.caller_name end) as root_name,
        c.provider, c.subject, c.root_key, coalesce(c.cut, false) as cut,
        -- roles that the actor went through, its own first
        case when a.actor_type = 'role' then list_distinct(list_prepend(role_key(a.actor_role), coalesce(c.roles, []))) else coalesce(c.roles, []) end as roles,
        coalesce(c.session_names, []) as chain_session_names,
        coalesce(s.run_ids, []) as proven_run_ids,
        list_filter(list_prepend(a.source_identity, coalesce(c.source_identities, [])), lambda x: x is not null) as source_identities,
        coalesce(c.records, []) as session_records,
        -- the role that the chain begins with where its own sign-in was never seen
        case when c.session_id is null then a.actor_role when c.caller_type = 'role' then c.caller_role end as first_role,
        case when c.session_id is null then a.session_name when c.caller_type = 'role' then c.caller_session end as first_session_name,
        c.root_id
    from appearance a
    semi join appearance_again using (appearance_id)
    left join appearance_session s using (appearance_id)
    left join session_chain c on c.session_id = s.session_id
),
named as (
    select
        f.*,
        coalesce(contains(first_role, ':role/aws-reserved/sso.amazonaws.com/') or regexp_matches(first_role, ':assumed-role/AWSReservedSSO_'), false) as sso_role,
        coalesce(contains(first_role, ':role/aws-service-role/'), false) as provider_role,
        nullif(regexp_extract(lower(provider), '^(?:arn:[^:]*:iam::\d*:oidc-provider/|https://)(.+?)/?$', 1), '') as issuer,
        (select list(h.session_name) from session_hop h where h.session_id = f.root_id) as root_session_names,
        (select any_value(h.role_key) from session_hop h where h.session_id = f.root_id) as root_role
    from facts f
)
select
    n.*,
    -- Anybody may run an identity provider, which says of its subjects what it likes. Only of the public ones of subject_issuers
    -- is a subject what it says; where the record does not name the provider there is nothing to hold against it.
    issuer is null or exists (
        from subject_issuers i
        -- what stands for any text in a host stands for none of the path
        where n.issuer glob i.issuer and split_part(n.issuer, '/', 1) glob split_part(i.issuer, '/', 1) and lower(n.subject) glob i.subject
    ) as subject_vouched,
    -- by the id that it shows, by which a log that shows no token may name it, and by that to which a sign-in leads
    list_filter([case actor_type when 'application' then lower(actor_role) when 'workload' then lower(actor_name) end, case when actor_type = 'application' and root_type = 'application' then lower(root_name) end], lambda x: x is not null) as applications,
    -- a person whom a provider vouches for
    case
        when root_type in ('person', 'root') then root_type
        when sso_role and root_type in ('undocumented', 'role') then 'person'
    end as proven_person_type,
    case
        when root_type = 'root' then root_name
        when root_type = 'person' then coalesce(own_name(system, root_name), root_session_names[1])
        when sso_role and root_type in ('undocumented', 'role') then first_session_name
    end as proven_name,
    -- all spellings under which the roster may know that person
    case
        -- an identity provider names the session after the person; a user who takes a role chooses its name
        when root_type = 'user' then [lower(root_name), lower(own_name(system, root_name))]
        -- an identity provider vouches for people too
        when root_type = 'federated' then [lower(subject), lower(root_name)]
        when root_type = 'person' then [lower(root_name), lower(own_name(system, root_name)), lower(coalesce(root_session_names[1], case when n.session_id is null then n.session_name end))]
        when sso_role and root_type in ('undocumented', 'role') then [lower(first_session_name)]
        else []
    end as proven_spellings,
    -- names that the caller chose, from here to the first session that is known of
    case
        when root_type in ('undocumented', 'role', 'account', 'unknown') or n.session_id is null
        then list_filter([lower(name_of(x)) for x in list_concat(source_identities, [n.session_name], chain_session_names, [first_session_name])], lambda x: x is not null)
        else []
    end as claimed_names
from named n;

-- Which declared pipeline each appearance may be. A federated session must match a declared subject where there are any.
-- keeps: appearance_pipeline
with
keys as (
    select appearance_id, 'role' as kind, unnest(roles) as value from appearance_facts
    union all
    select appearance_id, 'user', lower(root_name) from appearance_facts where root_type = 'user'
    union all
    select appearance_id, 'application', unnest(applications) from appearance_facts
    union all
    select appearance_id, 'actor', lower(actor_name) from appearance_facts where actor_type not in ('role', 'user', 'service')
),
by_key as (
    -- the role that was taken with a token names the providers that it trusts; what was taken with that role does not
    select k.appearance_id, p.position, p.pipeline, p.environment, k.kind, k.value, k.kind <> 'role' or coalesce(k.value = f.root_role, false) as trusts
    from keys k
    join config_pipeline_key p on p.kind = k.kind and p.value = k.value
    join appearance_facts f using (appearance_id)
),
matched as (
    from by_key
    union all
    select f.appearance_id, p.position, p.pipeline, p.environment, 'subject', f.own, false
    from (select appearance_id, lower(subject) as own, unnest(subject_spellings(subject)) as subject, subject_vouched from appearance_facts where root_type = 'federated' and subject is not null) f
    join config_pipeline_key p on p.kind = 'subject' and f.subject glob p.value
    where f.subject_vouched or (f.appearance_id, p.pipeline) in (select appearance_id, pipeline from by_key where trusts)
),
entries as (
    select appearance_id, position, pipeline, environment, bool_or(kind = 'subject') as by_subject, bool_or(kind = 'actor') as by_name, bool_or(kind = 'user') as by_user,
           bool_or(trusts) as trusts, list_sort(list(distinct kind || ' ' || value)) as keys
    from matched group by all
)
select
    e.appearance_id, e.position, e.pipeline, e.environment, e.by_name, e.by_user, e.trusts, e.keys,
    not (
        f.root_type = 'federated' and not e.by_subject
        and exists (from config_pipeline_key p where p.position = e.position and p.kind = 'subject')
    ) as valid
from entries e
join appearance_facts f using (appearance_id);
