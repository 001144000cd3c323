package schedule

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInWords(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"0 2 * * *": "every day at 02:00, Berlin", "30 6 * * 1": "every Monday at 06:30, Berlin", "5 14 1 * *": "on day 1 of each month at 14:05, Berlin",
		"@hourly": "every hour at minute 0", "@weekly": "every Sunday at 00:00, Berlin", "15 9 * * mon-fri": "every weekday, Monday to Friday, at 09:15, Berlin",
		"@every 10m": "every 10m", "*/5 * * * *": "every 5 minutes", "*/7 * * * *": "", "0 */6 * * *": "every 6 hours", "5 */6 * * *": "", "0 2 1 * 1": "", "nonsense": "", "@never": "",
	} {
		require.Equal(t, want, InWords(cron, "Europe/Berlin"), cron)
	}
}
