insert or replace into cursor values ($source, $stream, $value, $now);
