insert into recomputed values ($batch_id, $hash, $records);
