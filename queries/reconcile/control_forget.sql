-- Results of a control that are made anew: all, but for those on changes that keep their verdict, and on deployments of which
-- nothing else is known.
delete from control_result
where control = $control and ($whole or case subject_kind
    when 'change' then subject_id in (select change_id from change_again)
    when 'deployment' then subject_id in (select deployment_id from control_again)
    else true
end);
