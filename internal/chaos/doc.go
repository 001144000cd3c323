// Package chaos holds tests only: real relabel processes, a real PostgreSQL and
// the stand-in API, and between them everything that goes wrong in a night:
// processes killed at named places or stopped for longer than their lease,
// servers restarted, connections cut, clocks that differ, jobs tampered with.
//
// The witness is the stand-in's log of the calls that arrived, and the tables;
// never the text of a log. See docs/testing.md.
package chaos
