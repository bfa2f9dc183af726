-- What Jira's tickets decide: whoever moves a ticket into a status of `statuses.csv` approves or rejects it, then. A ticket
-- that was moved on since stays approved, until it is finished; one that was moved back into what it had been before its
-- approval, or into a status that takes it back, before the release is not approved any more.

-- emits: approval
with
ticket as (
    select record_id, record->>'$.key' as ticket,
           unnest(from_json(json_extract(record, '$.changelog.histories'), '[{"id": "VARCHAR", "created": "VARCHAR", "author": {"emailAddress": "VARCHAR", "accountId": "VARCHAR", "accountType": "VARCHAR"},
               "items": [{"field": "VARCHAR", "fromString": "VARCHAR", "toString": "VARCHAR"}]}]')) as h
    from raw
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.fields.updated') desc, position desc) = 1
),
-- of statuses without a name that everybody knows Jira tells which are the end of a ticket
finished as (
    select distinct lower(record->>'$.fields.status.name') as status from raw where (record->>'$.fields.status.statusCategory.key') = 'done'
),
moved as (
    select record_id, ticket, h, unnest(list_filter(h.items, lambda i: i.field = 'status')) as i from ticket
),
decided as (
    select m.*, lower(i.fromString) as from_, lower(i.toString) as to_, make_utc(h.created) as decided_at,
           row_number() over (partition by ticket order by make_utc(h.created), h.id) as turn,
           coalesce(s.decision, case when f.status is not null then 'finished' end) as decision
    from moved m
    left join statuses s on s.status = lower(i.toString)
    left join finished f on f.status = lower(i.toString)
),
ended as (
    select d.ticket, d.turn, min(n.decided_at) as valid_to
    from decided d
    join decided n on n.ticket = d.ticket and n.turn > d.turn
    where d.decision in ('approved', 'rejected')
      and (n.decision in ('rejected', 'withdrawn', 'finished')
           or n.to_ <> d.to_ and exists (from decided b where b.ticket = d.ticket and b.turn <= d.turn and n.to_ in (b.from_, case when b.turn < d.turn then b.to_ end)))
    group by all
)
select
    d.record_id, d.ticket, 'pre' as phase, d.decision, coalesce(d.h.author.emailAddress, d.h.author.accountId) as approver, d.decided_at,
    coalesce(d.h.author.accountType = 'app', false) as automated, false as gated,
    'moved to ' || d.i.toString as comment, e.valid_to
from decided d
left join ended e using (ticket, turn)
where d.decision in ('approved', 'rejected');

-- emits: change
select
    record_id, coalesce(make_utc(record->>'$.fields.updated'), occurred_at) as occurred_at, 'ticket' as action, 'release-control' as category,
    record->>'$.fields.reporter.emailAddress' as actor_name, 'jira:issue/' || (record->>'$.key') as resource
from raw;
