-- What else the same call was made on, beside `resource`.
alter table event add column further_resources varchar[];
