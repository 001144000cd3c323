// Package chaos has only tests. They run real relabel processes between a real
// PostgreSQL and the stand-in API, and cause everything that can go wrong in a night.
// Processes are killed at named places (package failpoint), or stopped for longer than
// their lease. Servers restart, connections break or go silent, clocks differ, and jobs
// are changed by hand.
//
// A stage has all that one test needs: a database, an API, and methods to start
// processes, to wait and to check. A proxy disturbs connections. TestRandom does
// everything at once, from a seed.
//
// The checks use the API's log of calls and the tables, never the text of a log. See
// docs/testing.md.
package chaos
