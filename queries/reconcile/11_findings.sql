-- Findings: what failed, with a stable id and a life of its own. Seen again it stays the same finding; gone, it is resolved;
-- it is new again when there is something in it that was not: another change, another failure, another fault of a log. These
-- are its parts, each a number made of what it is.

create or replace temporary table lower_severity as
select * from (values ('high', 'medium'), ('medium', 'low'), ('low', 'low')) as t(severity, lower);

-- A table, for it is most often small: then it is looked up, not the changes.
create or replace temporary table failed_change as
select control, subject_id as change_id, reason from control_result where subject_kind = 'change' and result = 'fail';

-- Of those the ones that a release explains: most often none, and the changes are many and wide.
create or replace temporary table failed_linked as
select r.control, r.reason, c.rowid as place
from failed_change r
join change c using (change_id)
where c.verdict in ('released', 'nonconforming', 'unapproved');

create or replace temporary table found as
with
unlinked as (select * exclude (case_id), case_id as subject_id from unlinked_case),
changes as (
    -- a control on changes that a linked one fails: one for each case and control
    select
        r.control, 'high' as severity, 'case' as subject_kind, c.case_id as subject_id, c.service, c.environment, any_value(c.actor order by c.occurred_at, c.change_id) as actor,
        r.control || ': ' || count(*) || case when count(*) = 1 then ' change' else ' changes' end || ' (' || string_agg(distinct r.reason, ', ' order by r.reason) || '), first '
            || arg_min(c.action, (c.occurred_at, c.change_id)) || ' at ' || strftime(min(c.occurred_at), '%Y-%m-%dT%H:%M:%SZ') as summary,
        bool_and(c.state = 'provisional') as provisional, null::varchar as exemption_id, max(c.occurred_at) as happened_at,
        list(part(concat_ws(chr(31), c.change_id, r.reason))) as parts
    from failed_linked r
    join change c on c.rowid = r.place
    group by r.control, c.case_id, c.service, c.environment
),
failed as (
    select control, subject_id, service, environment, result, reason, occurred_at as failed_at, null as retold_at
    from control_result
    where subject_kind = 'deployment' and result in ('fail', 'no-evidence')
    union all
    -- that an end is missing is a finding of its own
    select control, subject_id, service, environment, result, reason, occurred_at, retold_at
    from told_failure
    where reason <> 'end-not-recorded'
),
failed_deployment as (
    select
        -- what failed before what lacks evidence, who let it happen before what was let happen
        arg_min(r.control, (r.result = 'no-evidence', not c.authorisation, case when c.authorisation then c.place else -c.place end)) as control,
        ['low', 'medium', 'high'][max(list_position(['low', 'medium', 'high'], coalesce(v.severity, 'medium')))] as severity,
        'deployment' as subject_kind, r.subject_id, any_value(r.service) as service, any_value(r.environment) as environment,
        lower(coalesce(any_value(d.requested_by), '')) as actor,
        'release ' || any_value(d.release_id) || ' of ' || any_value(d.pipeline) || ': ' || string_agg(r.control || ' ' || r.result || ' (' || r.reason || ')', ', ' order by r.control, r.reason) as summary,
        any_value(d.started_at) as started_at,
        greatest(any_value(d.started_at), max(r.failed_at)) as happened_at,
        -- what is pushed was told when the store took it
        any_value(case when d.source = 'record' then d.first_recorded_at end) as told_at,
        list(part(concat_ws(chr(31), r.control, r.reason, r.retold_at))) as parts
    from failed r
    join deployment d on d.deployment_id = r.subject_id
    join control c on c.control = r.control
    left join control_severity v on v.control = r.control and v.subject_kind = 'deployment'
    group by r.subject_id
),
-- What an exemption has to cover: what the deployment failed as it ran, and each time at which its record was rewritten.
excusable as (
    select subject_id, retold_at, any_value(service) as service, any_value(environment) as environment, list(distinct r.control) as controls,
           bool_or(c.authorisation) as unauthorised
    from failed r
    join control c using (control)
    group by subject_id, retold_at
),
-- exempted as its changes are; where there are none, as a change at its start would be. What was done to its record is excused
-- in the time in which it was done.
excuse as (
    select f.subject_id, f.retold_at, min(x.exemption_id) as exemption_id
    from excusable f
    join deployment d on d.deployment_id = f.subject_id
    join (select *, unnest(deployments) as deployment_id from exemption where invalid is null) x on x.deployment_id = f.subject_id
    left join (select distinct deployment_id, exemption_id from change where verdict = 'exempted') c
      on c.deployment_id = f.subject_id and c.exemption_id = x.exemption_id
    where (len(x.controls) = 0 or list_has_all(x.controls, f.controls))
      and (f.retold_at is null or (f.retold_at >= x.valid_from and f.retold_at < x.valid_to))
      and (
          c.exemption_id is not null
          or (
              coalesce(f.retold_at, d.started_at) >= x.valid_from and coalesce(f.retold_at, d.started_at) < x.valid_to
              and (x.service is null or x.service = f.service)
              and (x.environment is null or x.environment = f.environment)
              and (x.approver_services is null or list_contains(x.approver_services, f.service))
              and len(x.actors) = 0
              and (len(x.verdicts) = 0 or list_contains(x.verdicts, case when f.unauthorised then 'unapproved' else 'nonconforming' end))
          )
      )
    group by f.subject_id, f.retold_at
),
deployment_exempted as (
    select f.subject_id, coalesce(any_value(x.exemption_id) filter (where f.retold_at is null), min(x.exemption_id)) as exemption_id
    from excusable f
    left join excuse x on x.subject_id = f.subject_id and x.retold_at is not distinct from f.retold_at
    where f.subject_id not in (select deployment_id from change where verdict in ('unapproved', 'nonconforming'))
    group by f.subject_id
    having bool_and(x.exemption_id is not null)
),
deployments as (
    -- whatever it fails, today this and tomorrow that: it is the same finding
    select
        f.* exclude (started_at, told_at)
            -- a release goes on until its last change; and of what was told only since a baseline was taken nobody accepted
            -- anything, however long ago it says that it was
            replace (greatest(f.happened_at, c.changed_at, case when f.happened_at < b.until and f.told_at > b.set_at then f.told_at end) as happened_at),
        'release' as about,
        -- where it changed nothing that is known, a decision on it may still be told until its log is settled
        coalesce(c.provisional, f.started_at + l.settle > l.through, false) as provisional, x.exemption_id
    from failed_deployment f
    cross join release_log_through l
    cross join (select max(until) as until, max(set_at) as set_at from baseline_standing where invalid is null) b
    left join deployment_exempted x using (subject_id)
    -- an approval may still be told, and then its changes are not what they seem
    left join (
        select deployment_id, bool_and(state = 'provisional') as provisional, max(occurred_at) as changed_at
        from change where verdict in ('unapproved', 'nonconforming') group by deployment_id
    ) c on c.deployment_id = f.subject_id
),
definitions as (
    -- a pipeline may have several live stages; of each service that it releases it is a finding of its own
    select control, 'medium' as severity, subject_kind, subject_id, service, min(environment) as environment, '' as actor,
           subject_kind || ' ' || subject_id || ': ' || string_agg(distinct reason, ', ' order by reason) as summary, false as provisional,
           null::varchar as exemption_id, case when bool_and(occurred_at is not null) then max(occurred_at) end as happened_at,
           list(part(reason)) as parts, any_value(of_several) as of_several
    from (
        select *, min(service) over w <> max(service) over w as of_several
        from control_result
        where subject_kind in ('pipeline', 'service')
        window w as (partition by control, subject_kind, subject_id)
    )
    where result = 'fail'
    group by control, subject_kind, subject_id, service
),
open_windows as (
    select 'recorded' as control, coalesce((select severity from control_severity where control = 'recorded' and subject_kind = 'deployment'), 'medium') as severity,
           t.subject_kind, t.subject_id, t.service, t.environment, lower(coalesce(d.requested_by, '')) as actor,
           'deployment ' || t.subject_id || ' has no recorded end; its window was closed by max_running' as summary, false as provisional,
           null::varchar as exemption_id, t.occurred_at as happened_at
    from told_failure t
    join deployment d on d.deployment_id = t.subject_id
    where t.reason = 'end-not-recorded'
),
ends_not_seen as (
    select 'end-not-seen' as control, 'low' as severity, 'operation' as subject_kind, e.change_id as subject_id, t.service, t.environment,
           lower(coalesce(a.actor, '')) as actor,
           'operation ' || e.action || ' on ' || e.resource || ' began at ' || strftime(e.occurred_at, '%Y-%m-%dT%H:%M:%SZ') || ', and its end was not seen in 24 hours' as summary,
           false as provisional, null::varchar as exemption_id, e.occurred_at as happened_at
    from pending_event e
    join actor a using (appearance_id)
    join attributed t using (change_id)
    cross join run
    where e.occurred_at + interval 24 hours <= run.now
),
exemptions as (
    select 'exemption' as control, 'medium' as severity, 'exemption' as subject_kind, exemption_id as subject_id, coalesce(service, '') as service,
           coalesce(environment, '') as environment, requester_actor as actor, 'exemption ' || exemption_id || ' is ignored: ' || invalid as summary,
           false as provisional, null::varchar as exemption_id, null::timestamp as happened_at
    from exemption where invalid is not null
    union all
    select 'waiver', 'medium', 'waiver', service || '/' || control, service, '', coalesce(min(lower(requested_by)), ''),
           'waiver of ' || control || ' for ' || service || ' is ignored: ' || string_agg(distinct invalid, ', ' order by invalid), false, null, null
    from waiver where invalid is not null
    group by service, control
    union all
    select 'baseline', 'medium', 'baseline', strftime(until, '%Y-%m-%dT%H:%M:%SZ'), '', '', min(lower(requested_by)),
           'baseline until ' || strftime(until, '%Y-%m-%dT%H:%M:%SZ') || ' is ignored: ' || string_agg(distinct invalid, ', ' order by invalid), false, null, null
    from baseline_standing where invalid is not null
    group by until
),
logs as (
    select 'log-integrity' as control, min(severity) as severity, 'source' as subject_kind, source || '/' || stream as subject_id, '' as service, '' as environment,
           '' as actor, string_agg(told, '; ' order by told) as summary, false as provisional, null::varchar as exemption_id, null::timestamp as happened_at,
           flatten(list(parts)) as parts
    from (
        select source, stream, min(severity) as severity, count(*) || ' × ' || fault || ', first ' || min(subject) as told,
               list(part(concat_ws(chr(31), fault, subject))) as parts
        from integrity group by source, stream, fault
    )
    group by source, stream
),
every as (
    from logs union all by name from unlinked union all by name from changes union all by name from deployments union all by name from definitions union all by name from open_windows union all by name from ends_not_seen union all by name from exemptions
),
judged as (
    select
        left(sha256(concat_ws(chr(31), coalesce(e.about, e.control), e.subject_kind, e.subject_id, case when e.subject_kind = 'case' then e.service || '/' || e.environment when e.of_several then e.service else '' end)), 20) as finding_id,
        e.control,
        -- one step lower outside live; a place that no scope knows counts as live; what is not settled accuses nobody yet
        case
            when e.provisional and coalesce(v.severity, e.severity) = 'high' then case when e.environment in ('live', '') then 'medium' else 'low' end
            when e.environment in ('live', '') or e.subject_kind not in ('case', 'deployment') then coalesce(v.severity, e.severity)
            else l.lower
        end as severity,
        e.subject_kind, e.subject_id, coalesce(e.service, '') as service, coalesce(e.environment, '') as environment, coalesce(e.actor, '') as actor,
        e.summary, e.happened_at, e.exemption_id, coalesce(e.parts, []) as parts,
        case
            when e.exemption_id is not null then 'exempted'
            when e.happened_at < (select max(until) from baseline_standing where invalid is null) then 'baseline'
            else 'open'
        end as status
    from every e
    -- how bad it is says the standard; a deployment fails several controls, and counts as the worst
    left join control_severity v on v.control = e.control and v.subject_kind = case e.subject_kind when 'case' then 'change' else e.subject_kind end
        and e.subject_kind <> 'deployment'
    left join lower_severity l on l.severity = coalesce(v.severity, e.severity)
)
-- that it is worse than it ever was is new too: what is high is low and medium as well
select * replace (
    list_sort(list_distinct(list_concat(parts, list_transform(['low', 'medium', 'high'][:list_position(['low', 'medium', 'high'], severity)], lambda x: part(x))))) as parts
)
from judged;

-- What is opened now is new to whoever was told of the last audit, though the clock may have been set back since.
create or replace temporary table opening as
select greatest(run.now, (select max(audited_at) from audit) + interval 1 microsecond) as opened_at from run;

-- Where there are other parts than before: of few, and a list costs much to write. How bad it was counts as long as it stands,
-- though a night without evidence made it seem less.
create or replace temporary table other_parts as
select f.finding_id,
       case
           when finding.status = 'resolved' then f.parts
           else list_sort(list_distinct(list_concat(f.parts, list_intersect(finding.parts, [part('low'), part('medium'), part('high')]))))
       end as now_parts
from found f
join finding on finding.finding_id = f.finding_id
where finding.parts is distinct from f.parts and finding.parts is distinct from now_parts;

-- That a change cannot be made out any more is no evidence that nothing was wrong with it: what was found of it stands as long
-- as records are set aside by the mapping of a source of the same service.
create or replace temporary table lost_change as
with
set_aside as (select distinct source from quarantine where stage = 'map'),
leaving as (
    select finding_id, service, unnest(parts) as part
    from finding
    where status <> 'resolved' and subject_kind = 'case' and finding_id not in (select finding_id from found)
      and (service = '' or service in (
          select s.service from config_scope s join set_aside a on s.sources is null or list_contains(s.sources, a.source)
      ))
      and exists (from set_aside)
),
known as (
    select change_id from change_before
    union all
    select change_id from verdict_history where became = ''
)
select l.finding_id, k.change_id
from known k
join leaving l on l.part = part(k.change_id);

create or replace temporary table standing_finding as
select distinct finding_id from lost_change
where change_id not in (select change_id from change semi join lost_change using (change_id));

update finding set status = 'resolved', last_seen = finding.last_seen
where status <> 'resolved' and finding_id not in (select finding_id from found union all select finding_id from standing_finding);

update finding
set control = f.control, severity = f.severity, service = f.service, environment = f.environment, actor = f.actor, summary = f.summary,
    last_seen = greatest(run.now, finding.first_seen),
    -- somebody has to look again; what an earlier schema stored has no parts yet
    opened_at = case
        when finding.status = 'resolved' or (finding.status <> 'open' and f.status = 'open') or not list_has_all(coalesce(finding.parts, f.parts), f.parts)
        then opening.opened_at
        else finding.opened_at
    end,
    happened_at = f.happened_at,
    status = f.status,
    exemption_id = f.exemption_id
from found f, run, opening
where finding.finding_id = f.finding_id;

update finding set parts = o.now_parts from other_parts o where o.finding_id = finding.finding_id;

insert into finding
select f.finding_id, f.control, f.severity, f.subject_kind, f.subject_id, f.service, f.environment, f.actor, f.summary,
       run.now, run.now, f.status, f.exemption_id, opening.opened_at, f.happened_at, f.parts
from found f
cross join run
cross join opening
where f.finding_id not in (select finding_id from finding);
