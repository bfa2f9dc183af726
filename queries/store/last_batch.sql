select batch_id, hash from batch order by batch_id desc limit 1;
