package pace

import (
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A client may wait a minute for each piece, and must keep up a least rate.
func TestPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pace pace
		want time.Duration
	}{
		{pace{}, stallTime},
		{pace{waited: 50 * time.Second}, 10 * time.Second},
		{pace{waited: 2 * time.Minute}, -time.Minute},
		{pace{waited: 2 * time.Minute, bytes: 70 * SlowestRate}, 10 * time.Second},
		{pace{waited: 2 * time.Minute, bytes: 1 << 40}, stallTime},
	} {
		require.Equal(t, c.want, c.pace.left(), "%+v", c.pace)
	}
}

// A download that is taken a few bytes at a time ends.
func TestSlowDownloadEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &dripping{}
		out := &Writer{w: slow, control: http.NewResponseController(slow)}
		begun := time.Now()
		_, err := io.Copy(out, io.LimitReader(zeroes{}, 1<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Less(t, time.Since(begun), 2*stallTime)
	})
}

// dripping takes 512 bytes a second, and fails after its deadline.
type dripping struct {
	http.ResponseWriter
	deadline time.Time
}

func (d *dripping) SetWriteDeadline(at time.Time) error {
	d.deadline = at
	return nil
}

func (d *dripping) Write(b []byte) (int, error) {
	end := time.Now().Add(time.Duration(len(b)) * time.Second / 512)
	if end.After(d.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(time.Until(end)) //nolint:forbidigo // the clock of synctest
	return len(b), nil
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { return min(len(b), 4<<10), nil }
