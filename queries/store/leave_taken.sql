-- What is set aside is not stored.
delete from incoming_record where place in (select place from taken_record);
