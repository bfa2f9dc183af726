-- How releases stand, and what reasons there are to give.

-- The closed list of reasons: code, verdict, sentence; those of own controls with the standard that names them. One that no
-- verdict is given for may have another sentence in a standard of one's own.
create or replace table reason as
with
own as (
    select key as reason, case when authorisation then 'unapproved' else 'nonconforming' end as verdict, reasons->>key as sentence
    from (select authorisation, reasons, unnest(json_keys(reasons)) as key from control)
),
-- a reason for which its standard has no sentence
unexplained as (
    select r.reason, case when c.authorisation then 'unapproved' else 'nonconforming' end as verdict, c.title || ': not so.' as sentence
    from control_result r
    join control c using (control)
    where r.subject_kind = 'deployment' and r.result in ('fail', 'no-evidence')
      and r.reason not in (select reason from reason_text where verdict is not null)
      and (c.reasons->>r.reason) is null
    group by r.reason, c.authorisation, c.title
    qualify row_number() over (partition by r.reason order by c.authorisation desc, c.title) = 1
)
select reason, verdict, sentence
from (
    select reason, verdict, sentence, 1 as place from reason_text where verdict is not null
    union all
    select reason, verdict, sentence, 2 from own
    union all
    select reason, verdict, sentence, 3 from unexplained
    union all
    select reason, '', sentence, 4 from reason_text where verdict is null
    union all
    -- why the standard does not ask a control
    select id, '', min(reason), 5 from config_exception group by id
)
qualify row_number() over (partition by reason order by place, verdict desc, sentence) = 1;

-- How a deployment stands against the controls that apply to it.
create or replace table deployment_standing as
select
    subject_id as deployment_id,
    list(control order by place) filter (where failed) as failed_controls,
    coalesce(bool_or(failed and authorisation), false) as unauthorised,
    arg_min(reason, place) filter (where failed and authorisation) as authorisation_reason,
    -- what was never proven tells more than that there is nothing to compare it with
    arg_max(reason, place) filter (where failed and not authorisation) as other_reason
from (
    select r.subject_id, r.control, r.reason, c.place, c.authorisation, r.result in ('fail', 'no-evidence') as failed
    from control_result r
    join control c using (control)
    where r.subject_kind = 'deployment'
)
group by subject_id;
