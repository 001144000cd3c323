-- River's tables are gone already.
SELECT 1;
