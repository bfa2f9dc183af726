-- How many of the records that have just come in say nothing new: known before, word for word, or told twice in them.
select count(*) - count(distinct (i.record_id, i.hash)) filter (where k.record_id is null)
from incoming_record i
left join (select distinct record_id, hash from known_record) k on k.record_id = i.record_id and k.hash = i.hash;
