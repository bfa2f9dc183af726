-- What a finding is made of: what is new in it shows.
alter table finding add column parts ubigint[];
