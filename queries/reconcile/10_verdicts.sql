-- The verdict on each change: the first that applies, in the order of the design.

-- keeps: change
with
refused_content as (
    -- why the releases that name a piece of content do not explain its change: the one that came nearest
    select change_id, case min(case denied when 'own-release' then 1 when 'not-approved-by-another' then 2 else 3 end)
        when 1 then 'content-release-of-own' when 2 then 'content-ticket-unapproved' else 'content-other-version' end as reason
    from candidate_to_judge
    where denied in ('own-release', 'not-approved-by-another', 'other-version')
    group by change_id
),
refused_identity as (
    -- their run was going on, but not with this identity; or nothing tells whose identity it is
    select change_id, case min(case when denied = 'subject-contradicts' then 1 when denied = 'other-identity' then 2 else 3 end)
        when 1 then 'subject-contradicts' when 2 then 'identity-of-another' else 'identity-shared' end as reason
    from candidate_to_judge
    where denied in ('subject-contradicts', 'identity-shared') or (denied = 'other-identity' and link_tier = 'exact')
    group by change_id
),
-- an automation covers the actions that it names, until its end; in the console a person is behind it
automated as (
    select distinct e.change_id
    from to_judge e
    join attributed_to_judge t using (change_id)
    join (select appearance_id, unnest(automations) as position from actor where len(automations) > 0 and not console) x on x.appearance_id = t.appearance_id
    join config_automation au using (position)
    where (au.actions is null or len(au.actions) = 0 or len(list_filter(au.actions, lambda g: lower(e.action) glob lower(g))) > 0)
      and coalesce(e.occurred_at < make_utc(au.to), true) and coalesce(e.occurred_at >= make_utc(au.from), true)
),
base as not materialized (
    select
        e.*, t.service, t.environment,
        -- of several pipelines that deploy with one identity it is the one whose run this was
        case when t.actor_kind = 'pipeline' and list_contains(shared.pipelines, d.pipeline) then lower(d.pipeline) else t.actor end as actor, t.actor_kind, t.actor_basis, t.actor_reason, t.proven_run_ids,
        x.actor_name, x.actor_role, x.console, x.pipeline_valid, x.named_by_release, x.automations, x.person_id, x.pipeline, x.root_key,
        l.deployment_id, l.link_tier, l.link_key, coalesce(l.ambiguous, false) as ambiguous,
        st.failed_controls, coalesce(st.unauthorised, false) as unauthorised, st.authorisation_reason, st.other_reason,
        d.release_id, coalesce(requester.actor, lower(d.requested_by)) as requester_actor,
        len(x.automations) = 0 or au.change_id is not null as automation_covers,
        u.change_id is not null as names_unknown_run,
        i.reason as identity_reason,
        r.reason as content_reason
    from to_judge e
    join attributed_to_judge t using (change_id)
    join actor x on x.appearance_id = t.appearance_id
    left join unknown_run u using (change_id)
    left join refused_identity i using (change_id)
    left join refused_content r using (change_id)
    left join link_to_judge l using (change_id)
    left join deployment d on d.deployment_id = l.deployment_id
    left join (select appearance_id, list(distinct pipeline) as pipelines from appearance_pipeline where valid group by appearance_id) shared
      on shared.appearance_id = t.appearance_id
    left join config_identity requester on requester.identity = lower(d.requested_by)
    left join deployment_standing st on st.deployment_id = l.deployment_id
    left join automated au using (change_id)
    where e.outcome = 'succeeded'
),
unlinked as not materialized (
    select
        * replace (coalesce(failed_controls, []) as failed_controls),
        -- what an exemption may call the actor: a person is never the role that they took, and a name that was only claimed excuses
        -- nothing; where it may have been one of several, nobody is excused by name
        case
            when actor_reason in ('several-initiators', 'several-sign-ins') then []
            when actor_kind = 'person' and actor_basis = 'claimed' then []
            when actor_kind = 'person' then [actor, case when actor_role is null then lower(actor_name) end]
            when actor_kind = 'unknown' then [lower(actor_name), lower(actor_role)]
            else [actor, lower(actor_name), lower(actor_role)]
        end as exempted_as,
        case
            when deployment_id is not null then null
            when actor_kind = 'person' then 'manual'
            when actor_kind in ('pipeline', 'workload', 'platform') then 'unrecorded'
            else 'unattributed'
        end as unlinked_verdict,
        case
            when deployment_id is not null then null
            when actor_kind = 'person' and channel = 'content-editor' then coalesce(content_reason, 'content-unreleased')
            when actor_kind in ('person', 'unknown') then actor_reason
            when console then 'console-flag'
            when actor_kind = 'platform' then 'automation-other-action'
            when names_unknown_run then 'run-unknown'
            when actor_kind = 'pipeline' and not pipeline_valid and not named_by_release then 'subject-undeclared'
            when identity_reason is not null and (len(proven_run_ids) > 0 or identity_reason <> 'identity-of-another') then identity_reason
            -- nobody's identity has no window that its run could be outside of
            when len(proven_run_ids) > 0 and (actor_kind = 'pipeline' or named_by_release) then 'run-ended'
            when actor_kind = 'pipeline' then 'pipeline-identity-no-run'
            when named_by_release then 'workload-no-run'
            else 'workload-undeclared'
        end as unlinked_reason
    from base
),
covered as (
    select
        u.change_id,
        min(x.exemption_id) as exemption_id
    from unlinked u
    join exemption x
      on x.invalid is null
     and u.occurred_at >= x.valid_from and u.occurred_at < x.valid_to
     and (x.service is null or x.service = u.service)
     and (x.environment is null or x.environment = u.environment)
     and (len(x.actors) = 0 or list_has_any(x.covered_actors, u.exempted_as))
     -- who asked for the release has a part in it
     and x.approver_actor <> u.actor and x.approver_actor is distinct from u.requester_actor
     and (x.approver_services is null or list_contains(x.approver_services, u.service))
     and case
         when u.deployment_id is null
             then len(x.deployments) = 0 and (len(x.verdicts) = 0 or list_contains(x.verdicts, u.unlinked_verdict))
         else list_contains(x.deployments, u.deployment_id)
              and (len(x.controls) = 0 or list_has_all(x.controls, u.failed_controls))
              and (len(x.verdicts) = 0 or list_contains(x.verdicts, case when u.unauthorised then 'unapproved' else 'nonconforming' end))
     end
    where not (u.actor_kind = 'platform' and u.automation_covers) and (u.deployment_id is null or len(u.failed_controls) > 0)
    group by u.change_id
),
judged as (
    select
        u.*,
        case
            when u.actor_kind = 'platform' and u.automation_covers then 'platform'
            when u.deployment_id is not null and len(u.failed_controls) = 0 then 'released'
            when c.exemption_id is not null then 'exempted'
            when u.unauthorised then 'unapproved'
            when u.deployment_id is not null then 'nonconforming'
            else u.unlinked_verdict
        end as verdict,
        case
            when u.actor_kind = 'platform' and u.automation_covers then case when len(u.automations) > 0 then 'declared-automation' else 'provider-itself' end
            when u.deployment_id is not null and len(u.failed_controls) = 0 then 'released-' || u.link_tier
            when c.exemption_id is not null then 'exemption-in-force'
            when u.unauthorised then u.authorisation_reason
            when u.deployment_id is not null then u.other_reason
            else u.unlinked_reason
        end as reason,
        c.exemption_id
    from unlinked u
    left join covered c using (change_id)
)
select
    j.change_id, j.occurred_at, j.source, j.system, j.service, j.environment,
    j.actor, j.actor_kind, j.actor_basis,
    case when j.actor_kind = 'pipeline' then 'pipeline' when j.actor_kind = 'platform' then 'service' else j.channel end as channel,
    j.action, j.operation, j.resource,
    j.verdict,
    case
        when j.actor_kind = 'person' and j.actor_basis = 'proven' and j.channel <> 'content-editor' then 'final'
        when j.occurred_at + c.settle <= s.through then 'final'
        else 'provisional'
    end as state,
    j.reason,
    coalesce(j.link_tier, '') as link_tier,
    j.ambiguous,
    coalesce(j.deployment_id, '') as deployment_id,
    coalesce(j.release_id, '') as release_id,
    coalesce(array_to_string(j.failed_controls, ';'), '') as failed_controls,
    coalesce(j.exemption_id, '') as exemption_id,
    left(sha256(coalesce(j.system || chr(31) || j.root_key, concat_ws(chr(31), j.actor, j.service, date_trunc('hour', j.occurred_at)::varchar))), 32) as case_id,
    j.record_id,
    j.link_key, j.person_id, j.pipeline, j.raw_hash
from judged j
cross join config_standard c
join settled s on s.system = j.system and s.source = j.source;
