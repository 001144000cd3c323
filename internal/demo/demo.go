// Package demo holds what `relabel demo` shows: a stand-in API with faults, a sample
// CSV, a schedule, and the checks that all came out as it should. The command
// itself, which loads the file and runs the workers, is internal/cli's.
//
// StartAPI starts the stand-in, WriteRows writes the sample CSV, and Check compares
// the batch with what the stand-in holds. Schedule is the second part: AddSchedule
// makes it, Watch waits for its runs.
package demo

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"relabel/internal/config"
	"relabel/internal/report"
	"relabel/internal/standin"
)

// The demo's files, in the current directory, and its size.
const (
	File    = "relabel-demo.csv"
	Results = "relabel-demo-results.csv"
	Rows    = 500
)

const (
	unknownRows = 4 // name assets that the site does not have
	twiceRows   = 2 // name targets that a later row names again
)

// Rate is the stand-in's limit. 500 calls take 16 s; with the retries after faults
// the demo is done well within 40 s.
func Rate() config.Rate { return config.Rate{Calls: 60, Window: 2 * time.Second, Fixed: true} }

// StartAPI starts the stand-in, with some faults by chance and one of each for certain.
func StartAPI() (*standin.Server, error) {
	rate := Rate()
	server, err := standin.Start(standin.Config{
		Seed: uint64(time.Now().UnixNano()), Assets: Rows, Limit: rate.Calls, Window: rate.Window,
		Latency: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, Normalise: strings.TrimSpace,
		Chances: []standin.Chance{
			{P: 0.004, Fault: standin.RateLimited("1")},
			{P: 0.02, Fault: standin.Status(500)},
			{P: 0.01, Fault: standin.Gateway(502, "")},
			{P: 0.01, Fault: standin.ResetBeforeHeaders()},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("error starting the stand-in API: %w", err)
	}
	server.FailAsset(standin.AssetID(100), standin.Status(500))
	server.FailAsset(standin.AssetID(200), standin.RateLimited("1"))
	server.FailAsset(standin.AssetID(300), standin.ResetBeforeHeaders())
	return server, nil
}

// row is the asset and the wanted name of row i.
func row(i int) (assetID, name string) {
	name = fmt.Sprintf("Autumn collection %03d.jpg", i)
	switch {
	case i < unknownRows:
		return fmt.Sprintf("%024x", 0xdead0000+i), name
	case i < unknownRows+twiceRows: // the last rows name these assets again
		return standin.AssetID(Rows - 1 - (i - unknownRows)), "older name of " + name
	case i == unknownRows+twiceRows:
		return standin.AssetID(i), name + " " // the stand-in will trim it
	}
	return standin.AssetID(i), name
}

// WriteRows writes the sample CSV, and counts its rows.
func WriteRows(w io.Writer) (int64, error) {
	return writeCSV(w, Rows, row)
}

func writeCSV(w io.Writer, rows int, row func(int) (assetID, name string)) (int64, error) {
	buf := bufio.NewWriter(w)
	fmt.Fprintln(buf, "asset_id,display_name")
	for i := range rows {
		id, name := row(i)
		fmt.Fprintf(buf, "%s,%s\n", id, name)
	}
	return int64(rows), buf.Flush()
}

// Check compares the finished batch with what the stand-in holds.
func Check(server *standin.Server, v report.Batch) error {
	if v.Failed != unknownRows || v.Superseded != twiceRows || v.Succeeded != Rows-unknownRows-twiceRows {
		return fmt.Errorf("the demo did not come out as it should: %s", v.Counts())
	}
	for i := unknownRows + twiceRows; i < Rows; i++ {
		id, want := row(i)
		if got := server.Name(id, ""); got != strings.TrimSpace(want) {
			return fmt.Errorf("the demo did not come out as it should: asset %s is named %q, not %q", id, got, want)
		}
	}
	return nil
}
