insert into unit
select $source, unit, etag, size, sha256, window_start, window_end, complete, incomplete, first_batch, $batch_id, $now, untold
from merged_unit;
