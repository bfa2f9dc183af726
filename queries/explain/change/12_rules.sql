-- title: Rules
-- description: Which file decided what, and the version of rules and configuration that the judgement went by.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
),
decided(place, decides, file) as (
    values
        (1, 'what the record means', null),
        (2, 'which sign-ins lead to the actor', 'queries/reconcile/03_sessions.sql'),
        (3, 'who is behind it', 'queries/reconcile/04_actors.sql'),
        (4, 'on whose behalf it was done', 'queries/reconcile/05_operations.sql'),
        (5, 'where it belongs', 'queries/reconcile/06_scopes.sql'),
        (6, 'which releases may explain it', 'queries/reconcile/07_candidates.sql'),
        (7, 'which release explains what a person published', 'queries/reconcile/07_content.sql'),
        (8, 'which of them does', 'queries/reconcile/07_links.sql'),
        (9, 'which exemption counts', 'queries/reconcile/09_exemptions.sql'),
        (10, 'the verdict', 'queries/reconcile/10_verdicts.sql')
)
select
    d.decides, coalesce(d.file, 'connectors/' || s.connector || '/map.sql') as file,
    left(j.rules_hash, 12) as rules, left(j.configuration_hash, 12) as configuration, j.program, j.judged_at as since
from chosen
join change c using (change_id)
left join source_as_configured s on s.source = c.source
cross join decided d
left join (from judgement qualify row_number() over (order by rowid desc) = 1) j on true
order by d.place;
