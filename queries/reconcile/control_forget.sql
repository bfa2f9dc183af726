-- Results of a control that are made anew: all, but for those on changes that keep their verdict.
delete from control_result
where control = $control
  and ($own or (select everything from run) or subject_kind <> 'change' or subject_id in (select change_id from change_again));
