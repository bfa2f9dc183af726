-- What Jira's tickets decide: whoever moves a ticket into a status of `statuses.csv` approves or rejects it, then. A ticket
-- that was moved on since stays approved; one that was moved out of the status before the release does not.

-- emits: approval
with
ticket as (
    select record_id, record->>'$.key' as ticket,
           unnest(from_json(json_extract(record, '$.changelog.histories'), '[{"id": "VARCHAR", "created": "VARCHAR", "author": {"emailAddress": "VARCHAR", "accountId": "VARCHAR", "accountType": "VARCHAR"},
               "items": [{"field": "VARCHAR", "fromString": "VARCHAR", "toString": "VARCHAR"}]}]')) as h
    from raw
    qualify row_number() over (partition by (record->>'$.id') order by make_utc(record->>'$.fields.updated') desc, position desc) = 1
),
moved as (
    select record_id, ticket, h, unnest(list_filter(h.items, lambda i: i.field = 'status')) as i from ticket
),
decided as (
    select m.*, make_utc(h.created) as decided_at, into_.decision,
           lead(make_utc(h.created)) over (partition by ticket order by make_utc(h.created), h.id) as left_at,
           lead(into_.decision) over (partition by ticket order by make_utc(h.created), h.id) as next_decision
    from moved m
    left join statuses into_ on into_.status = lower(i.toString)
)
select
    record_id, ticket, 'pre' as phase, decision, coalesce(h.author.emailAddress, h.author.accountId) as approver, decided_at,
    coalesce(h.author.accountType = 'app', false) as automated, false as gated,
    'moved to ' || i.toString as comment,
    -- back to where it was asked for: taken back
    case when next_decision in ('rejected', 'withdrawn') then left_at end as valid_to
from decided
where decision in ('approved', 'rejected');

-- emits: change
select
    record_id, coalesce(make_utc(record->>'$.fields.updated'), occurred_at) as occurred_at, 'ticket' as action, 'release-control' as category,
    record->>'$.fields.reporter.emailAddress' as actor_name, 'jira:issue/' || (record->>'$.key') as resource
from raw;
