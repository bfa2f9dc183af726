-- What a control says that no rule expects, the first of it; it would fail, or let pass, without anybody being told: subjects
-- that nobody knows, of kinds for which its severity says nothing ($kinds, a JSON list), in environments that there are not.
with said as (
    select *, from_json($kinds, '["VARCHAR"]') as kinds
    from control_result
    where control = $control
)
select problem
from (
    select 1 as rank, 'it speaks of ' || subject_kind || ' `' || subject_id || '`, and there is none' as problem
    from said
    where (subject_kind = 'deployment' and subject_id not in (select deployment_id from deployment))
       or (subject_kind = 'change' and subject_id not in (select change_id from attributed))
    union all
    select
        2,
        'it judges ' || subject_kind || ' `' || subject_id || '`, and its `severity` in the standard names no such kind, only '
        || array_to_string(kinds, ', ')
    from said
    where not list_contains(kinds, subject_kind)
    union all
    select 3, 'of ' || subject_kind || ' `' || subject_id || '` it says the environment `' || environment || '`; known are live, preprod and dev'
    from said
    where environment not in ('live', 'preprod', 'dev', '')
)
order by rank, problem
limit 1;
