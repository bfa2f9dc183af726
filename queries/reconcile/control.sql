insert into control_result
select $control, subject_kind, subject_id, service, environment, result, reason
from (
{control}
);
