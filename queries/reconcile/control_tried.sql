-- What is wrong with what a control would say now: as control_strangers.sql, and a result that there is not.
with control_result as (
    select
        $control as control, subject_kind::varchar as subject_kind, subject_id::varchar as subject_id,
        environment::varchar as environment, result::varchar as result
    from (
{control}
    )
)
select problem
from (
    from (
{strangers}
    )
    union all
    select 'it says the result `' || result || '`; known are pass, fail, not-applicable and no-evidence'
    from control_result
    where result not in ('pass', 'fail', 'not-applicable', 'no-evidence')
)
order by problem
limit 1;
