package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/siteread"
	"relabel/internal/standin"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
)

// Errors of use cases get the command line's advice, and its exit codes.
func TestExplain(t *testing.T) {
	t.Parallel()
	noSite := &siteread.NoSiteError{Site: "shop"}
	refusedToken := &webflow.Error{Kind: webflow.KindUnauthorized}
	for _, c := range []struct {
		err  error
		code int
		text string // its end
	}{
		{&usecase.RefusedError{Source: "a.csv", Rows: 1}, 1, "a.csv: 1 row is invalid, so nothing was loaded: fix it, or load the others with --skip-invalid"},
		{&usecase.MapError{Err: errors.New("no column")}, 2, "--map: no column"},
		{&usecase.NoRowsError{Source: "a.csv"}, 1, "a.csv has a header and no rows: nothing was loaded"},
		{&usecase.IsPlanError{Batch: 7}, 1, "batch 7 is a plan: nothing of it was sent; `relabel apply 7` sends it, `relabel batch cancel 7` discards it"},
		{&usecase.EndedError{Batch: 7, Status: "done"}, 1, "with nothing left to replace: enqueue the new rows without --replace"},
		{&usecase.NotDoneError{What: "there is no plan", Err: noSite}, 1, "there is no plan: the Webflow id of site shop is not set; `relabel site set --site shop --site-id ID` sets it"},
		{&usecase.NotDoneError{What: "there is no plan", Err: context.Canceled}, 1, "interrupted: there is no plan"},
		{&usecase.NotDoneError{What: "there is no plan", Err: &usecase.ReadError{Err: refusedToken}}, 4, "the API refuses the token (401); `relabel site check` tries it"},
		{refusedToken, 1, refusedToken.Error()},
		{fmt.Errorf("batch 7 is already done; %w", db.ErrNotPlanned), 1, "batch 7 is already done; only plans can be applied; `relabel plan SOURCE` makes one"},
		{&db.LoadUnknownError{Batch: 7, Err: pg.ErrCommitUnknown}, 1, "the database did not say whether it was stored; `relabel status 7` shows batch 7 if it was"},
		{fmt.Errorf("%w: 7", records.ErrNoRename), 1, "no such row: 7; `relabel rows list` shows those that exist"},
		{fmt.Errorf("%w: nightly", scheduledb.ErrExists), 1, "nightly; `relabel schedule edit` changes it"},
	} {
		code, text := endOf(c.err)
		require.Equal(t, c.code, code, text)
		require.True(t, strings.HasSuffix(text, c.text), "%q does not end with %q", text, c.text)
	}
}

// A real token is never used for the rows of a rehearsal.
func TestStandInIsNotRead(t *testing.T) {
	b := setup(t, standin.Config{Assets: 2})
	b.file("names.csv", names(2))
	b.ok("run", "names.csv", "--rehearse")
	for _, command := range []string{"verify", "undo"} {
		b.run(command, "1").fails(exitUsage, "for stand-ins")
	}
	require.Zero(t, b.api.Calls())
}
