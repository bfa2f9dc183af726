-- Content: which recorded release explains what a person published. People edit there, so a person's change is not
-- manual as such; it needs a release that names the item and that another person had a part in.

-- RESOURCE@VERSION explains that version alone; RESOURCE alone, as a ticket has it, any version while it is open. A
-- release of another version of the item is kept, refused: the reader must see what was approved.
create or replace temporary table content_candidate as
with
published as (
    select e.change_id, e.source, e.occurred_at, t.held_at, t.service, t.environment, a.actor, lower(e.resource) as resource, lower(e.resource || '@' || e.version) as item
    from to_judge e
    join attributed_to_judge t using (change_id)
    join actor a on a.appearance_id = e.appearance_id
    where e.channel = 'content-editor' and e.outcome = 'succeeded' and t.service <> '' and a.actor_kind <> 'platform'
),
release_item as (
    select d.*, unnest(d.items) as item
    from deployment d
    where d.ran
),
named as (
    select p.change_id, r.deployment_id, 'item and version ' || r.item as link_key, 1 as strength, null as denied
    from published p join release_item r on r.item = p.item
    union all
    select p.change_id, r.deployment_id, 'item ' || r.item, 2, null
    from published p join release_item r on r.item = p.resource
    union all
    select p.change_id, r.deployment_id, 'item and version ' || r.item, 3, 'other-version'
    from published p join release_item r on regexp_replace(r.item, '@[^@]*$', '') = p.resource and r.item is distinct from p.item
),
part as (
    -- who else had a part in the release by the time of the change: asked for it, or approved it
    select
        n.change_id, n.deployment_id,
        bool_or(coalesce(requester.actor, lower(d.requested_by)) <> p.actor) as asked_by_another,
        bool_or(a.decision = 'approved' and not a.automated and a.approver_actor <> p.actor and coalesce(a.decided_at <= p.occurred_at, a.gated)) as approved_by_another
    from named n
    join published p using (change_id)
    join deployment d using (deployment_id)
    left join config_identity requester on requester.identity = lower(d.requested_by)
    left join approval a using (deployment_id)
    group by all
)
select
    n.change_id, n.deployment_id, d.started_at, 'exact' as link_tier, n.link_key,
    case
        -- a content system speaks of its own items, and another site may use the same ids; a release log or a ticket speaks for any
        when d.own_content and d.source <> p.source then 'another-site'
        when n.denied is not null then n.denied
        -- a ticket speaks for no version, so only an approval by another makes it more than a note
        when n.strength = 2 and not coalesce(t.approved_by_another, false) then 'not-approved-by-another'
        when not coalesce(t.asked_by_another, false) and not coalesce(t.approved_by_another, false) then 'own-release'
    end as denied
from named n
join published p using (change_id)
join deployment d using (deployment_id)
join part t using (change_id, deployment_id)
where d.service = p.service and d.environment = p.environment and p.held_at between d.window_start and d.window_end
-- one release may name an item several times
qualify row_number() over (partition by n.change_id, n.deployment_id order by n.strength, n.link_key) = 1;
