-- What a control speaks of and nobody knows: it would fail without anybody being told.
select 'it speaks of ' || subject_kind || ' `' || subject_id || '`, and there is none'
from control_result
where control = $control
  and (
      (subject_kind = 'deployment' and subject_id not in (select deployment_id from deployment))
      or (subject_kind = 'change' and subject_id not in (select change_id from attributed))
  )
order by all
limit 1;
