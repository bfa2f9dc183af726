-- Units that cannot be read to their end, and of which nobody has been told yet: a run that was killed told nobody.
alter table unit add column untold boolean;
