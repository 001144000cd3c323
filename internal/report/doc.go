// Package report turns what the database knows into what people read: how far a
// batch is, why it waits, when it ends, and what happened to one asset. The
// command line and the dashboard both use it, so that they always agree.
//
//   - Batch is a batch with its counts and its lane. ReadBatch, Batches and
//     OpenBatches load it; Waiting, Counts and Ends put it into words.
//   - Site explains what stops a whole site: parked, paused, no worker, a failing
//     API, a 429.
//   - Story is everything that happened to one asset, in order of time: ReadStory
//     loads it for `relabel why` and the dashboard's asset page.
//   - WriteResults, WriteStates and WriteFindings write millions of rows as CSV
//     (or an Excel workbook, or JSON lines) in constant memory. Their files load
//     straight back.
package report
