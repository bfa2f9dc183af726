-- The worst severity among the rows of a report, for an exit code. A row's own severity counts while it is open; else
-- the report's, which is that of live: one step lower elsewhere, and never high where the verdict is not settled or is
-- only nonconforming.
with
every as (
    from (select null::varchar as severity, null::varchar as status, null::varchar as verdict, null::varchar as state, null::varchar as environment where false)
    union all by name
    from (
{report}
    )
),
ranked as (
    select
        case
            when severity is not null then case when coalesce(status, 'open') = 'open' then list_position(['low', 'medium', 'high'], severity) end
            else greatest(1,
                least(
                    list_position(['low', 'medium', 'high'], $of_report),
                    case when state = 'provisional' or verdict = 'nonconforming' then 2 else 3 end
                ) - case when coalesce(environment, '') in ('', 'live') then 0 else 1 end
            )
        end as rank
    from every
)
select ['low', 'medium', 'high'][max(rank)] as severity from ranked;
