-- title: Sessions followed
-- description: Each sign-in from the credential used back to where it began.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
, hop as (
    select unnest(a.session_records) as record_id, generate_subscripts(a.session_records, 1) as hop
    from chosen
    join attributed t using (change_id)
    join actor a on a.appearance_id = t.appearance_id
)
select h.hop, s.occurred_at, s.caller_type, coalesce(s.subject, s.caller_name) as caller, s.role, s.session_name, s.issued_key,
       coalesce(s.run_id, s.tag_run_id) as run_id, s.source, s.record_id
from hop h
join session_hop s using (record_id)
order by h.hop, s.source;
