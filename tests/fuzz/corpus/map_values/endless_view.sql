PRAGMA foreign_keys = OFF; DROP TABLE manifest; CREATE VIEW manifest AS SELECT 'a' AS key, (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n) AS value;
