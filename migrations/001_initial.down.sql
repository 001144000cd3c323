DROP TABLE attempt;
DROP TABLE rename;
DROP TABLE batch;
DROP TABLE lane_grant;
DROP TABLE lane;
DROP TABLE process;
DROP TABLE breaker;
DROP TABLE site;
