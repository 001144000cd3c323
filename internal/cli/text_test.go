package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/report"
)

func TestEndOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 0, ""},
		{errors.New("a\n  b"), 1, "a b"},
		{usageError("%d", 7), 2, "7"},
		{exitErr{code: exitParked}, 4, ""},
		{fmt.Errorf("deep: %w", usageError("x")), 2, "deep: x"},
		{fmt.Errorf("error reading: %w", context.Canceled), 1, "interrupted"},
		{fmt.Errorf("error writing: %w", errReaderGone), 0, ""},
	} {
		code, text := endOf(c.err)
		require.Equal(t, c.code, code, c.err)
		require.Equal(t, c.text, text)
	}
}

func TestBatchEnd(t *testing.T) {
	t.Parallel()
	reason := "the reason"
	for _, c := range []struct {
		st   records.BatchProgress
		code int
		text string
	}{
		{records.BatchProgress{Succeeded: 3, Superseded: 1, Unchanged: 1}, 0, ""},
		{records.BatchProgress{Batch: 7, Succeeded: 3, Failed: 1}, 3, "1 row of batch 7 did not succeed"},
		{records.BatchProgress{Batch: 7, Invalid: 1, Conflict: 1, Cancelled: 1}, 3, "3 rows of batch 7 did not succeed"},
		{records.BatchProgress{Batch: 7, Site: "shop", Pending: 1, Sending: 1}, 1, "stopped with 2 rows of batch 7 left; `relabel work --until-done --site shop` continues"},
		{records.BatchProgress{Batch: 7, Site: "shop", Pending: 1, ParkedReason: &reason}, 4, "site shop is parked, 1 row of batch 7 left: the reason"},
		{records.BatchProgress{Batch: 7, Site: "default", Pending: 1, BreakerError: &reason}, 4, "the API of site default fails, 1 row of batch 7 left: the reason; `relabel work --until-done` continues"},
		{records.BatchProgress{Succeeded: 1, ParkedReason: &reason}, 0, ""}, // parked, but all of this batch is done
	} {
		code, text := endOf(batchEnd(report.Batch{BatchProgress: c.st}))
		require.Equal(t, c.code, code, c.text)
		require.Equal(t, c.text, text)
	}
}

func TestRateMeter(t *testing.T) {
	t.Parallel()
	var m rateMeter
	now := time.Now()
	require.Zero(t, m.add(now, 5, time.Minute))
	require.InDelta(t, 60, m.add(now.Add(time.Second), 65, time.Minute), 0.001)
	require.InDelta(t, 2, m.add(now.Add(30*time.Second), 65, time.Minute), 0.001)
	require.InDelta(t, 2, m.add(now.Add(60*time.Second), 125, time.Minute), 0.001)
	require.Zero(t, m.add(now.Add(91*time.Second), 125, time.Minute), "the first minute is out")

	m = rateMeter{}
	m.add(now, 0, 2*time.Second)
	m.add(now.Add(2*time.Second), 60, 2*time.Second)
	require.InDelta(t, 0, m.add(now.Add(13*time.Second), 60, 2*time.Second), 0.001, "10 s at least, and no more than that")
}

// Problems and result make one object, also when there are many or when the
// command has nothing more to say.
func TestJSONResult(t *testing.T) {
	t.Parallel()
	type view struct {
		Batch int `json:"batch"`
	}
	for _, c := range []struct {
		problems int
		print    bool
		want     string
	}{
		{0, true, `{"batch":7}`},
		{0, false, ``},
		{1, true, `{"problems":[{"line":1,"column":null,"value":null,"message":"<bad>"}],"batch":7}`},
		{2, false, `{"problems":[{"line":1,"column":null,"value":null,"message":"<bad>"},{"line":2,"column":null,"value":null,"message":"<bad>"}]}`},
	} {
		var out bytes.Buffer
		j := &jsonResult{w: &out}
		for i := range c.problems {
			require.NoError(t, j.problem(intake.Problem{Line: int64(i + 1), Message: "<bad>"}))
		}
		if c.print {
			require.NoError(t, j.print(view{7}))
		}
		j.end()
		j.end()
		if c.want == "" {
			require.Empty(t, out.String())
			continue
		}
		require.JSONEq(t, c.want, out.String())
	}
}

// An earlier end of the input, a late one, and one that never comes.
func TestInput(t *testing.T) {
	t.Parallel()
	big := bytes.Repeat([]byte("0123456789"), 100_000)
	var got bytes.Buffer
	_, err := got.ReadFrom(newInput(t.Context(), bytes.NewReader(big)))
	require.NoError(t, err)
	require.Equal(t, big, got.Bytes())

	ctx, cancel := context.WithCancel(t.Context())
	in := newInput(ctx, hangingReader{})
	cancel()
	_, err = in.Read(make([]byte, 10))
	require.ErrorIs(t, err, context.Canceled)
}

type hangingReader struct{}

func (hangingReader) Read([]byte) (int, error) { select {} }
