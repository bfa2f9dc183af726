-- How verdicts changed, and what had changed since the judgement before: the configuration, the rules, the evidence, or
-- nothing but the time. Where nothing changed there is no row.

create or replace temporary table turned as
select
    b.*, coalesce(c.verdict, '') as became
from change_before b
left join change c using (change_id)
where c.change_id is null or b.verdict <> c.verdict or b.reason <> c.reason or b.actor <> c.actor
   or b.deployment_id <> c.deployment_id or b.exemption_id <> c.exemption_id;

create or replace temporary table this_judgement as
with
-- the one that was written last: the clock may have been set back
before as (from judgement qualify row_number() over (order by rowid desc) = 1),
evidence as (select coalesce(max(batch_id), 0) as last_batch from batch)
select
    run.now as judged_at, run.program, run.configuration_hash, run.rules_hash, e.last_batch,
    list_filter([
        case when before.configuration_hash <> run.configuration_hash then 'configuration' end,
        case when before.rules_hash <> run.rules_hash then 'rules' end,
        case when before.last_batch <> e.last_batch then 'evidence' end
    ], lambda x: x is not null) as because,
    before.judged_at is null as first
from run
cross join evidence e
left join before on true;

insert into verdict_history
select t.change_id, t.verdict, t.reason, t.actor, t.deployment_id, t.exemption_id, j.judged_at, t.became,
       case when len(j.because) > 0 then j.because else ['time'] end
from turned t
cross join this_judgement j;

insert into judgement
select judged_at, program, configuration_hash, rules_hash, last_batch
from this_judgement
where first or len(because) > 0 or exists (from turned);

drop table change_before;
