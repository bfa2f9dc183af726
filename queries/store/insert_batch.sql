insert into batch values ($batch_id, $now, $source, $operator, $records, $hash, $previous_hash);
