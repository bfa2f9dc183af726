select count(*) from digest;
