-- A release's finding keeps its id whatever it is that fails: what was found of a release under several ids goes on under the
-- one of the latest, the others stay resolved.
create temporary table carried_on as
select arg_max(finding_id, (status <> 'resolved', last_seen, first_seen, finding_id)) as finding_id,
       left(sha256(concat_ws(chr(31), 'release', 'deployment', subject_id, '')), 20) as new_id
from finding
where subject_kind = 'deployment' and not (control = 'recorded' and starts_with(summary, 'deployment '))
group by subject_id;

update finding set finding_id = c.new_id from carried_on c where c.finding_id = finding.finding_id;

drop table carried_on;
