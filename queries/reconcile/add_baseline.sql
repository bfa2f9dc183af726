insert into baseline values ($until, $reason, $requested_by, $approved_by, $operator, $now);
