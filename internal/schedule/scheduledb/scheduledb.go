// Package scheduledb owns the tables of schedules: schedule and schedule_run.
//
// A Schedule is a source with cron times, made and changed with Add, Edit, Pause, Resume
// and Remove. A Run is one time that it ran; Runs and LastRun read them.
//
// Workers bring schedules on. StartDue starts the run of a schedule that is due. TendRuns
// begins, ends and follows runs. ClaimRun gives a process the work of a run, a RunWork,
// and each of its steps (RunLoaded, SavePass, RunCompared, RunApplied) counts only while
// the claim lasts. TidyRuns deletes rows that later runs make needless. A change of a
// schedule's state makes a notice, which package notice delivers.
//
// Package db owns the rows and batches of runs. It never asks for schedules, except that
// db.LostRuns finds runs without a job. A schedule is locked before its runs, and a run
// before its batch.
package scheduledb

import (
	"embed"

	"relabel/internal/pg"
)

//go:embed sql
var sqlFiles embed.FS

// statements are the files of sql/ by name.
var statements = pg.ReadStatements(sqlFiles) //nolint:gochecknoglobals // never changes: text that is part of the program

// statement returns the text of sql/NAME.sql.
func statement(name string) string { return statements[name] }
