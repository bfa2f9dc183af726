-- How releases stand, and what reasons there are to give.

-- The closed list of reasons: code, verdict, sentence; those of own controls with the standard that names them.
create or replace table reason as
select reason, verdict, sentence from reason_text
union all
select key, case when authorisation then 'unapproved' else 'nonconforming' end, reasons->>key
from (select authorisation, reasons, unnest(json_keys(reasons)) as key from control)
where key not in (select reason from reason_text)
union all
-- a reason for which its standard has no sentence
select r.reason, case when c.authorisation then 'unapproved' else 'nonconforming' end, c.title || ': not so.'
from control_result r
join control c using (control)
where r.subject_kind = 'deployment' and r.result in ('fail', 'no-evidence')
  and r.reason not in (select reason from reason_text)
  and (c.reasons->>r.reason) is null
group by r.reason, c.authorisation, c.title
qualify row_number() over (partition by r.reason order by c.authorisation desc, c.title) = 1;

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
