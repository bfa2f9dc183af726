-- When the store was last written: a clock that is behind it is wrong.
select greatest((select max(committed_at) from batch), (select max(polled_at) from poll)) as last_written;
