package schedule

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// A worker runs a stored command only if its environment allows that, whatever the database holds.
func TestCommandIsAllowed(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	row := standin.AssetID(0) + ",from a command"
	b.add(func(s *scheduledb.Schedule) { SetCommand(s, `printf '%s\n' asset_id,display_name "`+row+`"`, false) })
	require.Contains(t, *b.run(at2(1), "failed").Error, "set RELABEL_ALLOW_EXEC=1")
	require.NotEqual(t, "from a command", b.api.Name(standin.AssetID(0), ""))

	b.env[AllowExec] = "1"
	b.run(at2(2), "done")
	require.Equal(t, "from a command", b.api.Name(standin.AssetID(0), ""))
	b.exec(`UPDATE schedule SET command_shell = true, command = $1`, "echo asset_id,display_name; echo "+standin.AssetID(0)+",half; echo no quota >&2; exit 9")
	require.Contains(t, *b.run(at2(3), "failed").Error, "the shell command: the command failed (exit status 9): no quota")
	require.Equal(t, "from a command", b.api.Name(standin.AssetID(0), ""))
}

func TestCommandSettings(t *testing.T) {
	t.Parallel()
	env := map[string]string{}
	e := Sources{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	check := func(command string, shell bool) error {
		s := scheduledb.Schedule{Name: "n", Cron: "@daily", TimeZone: "UTC", Mode: "changed", Overlap: "skip"}
		SetCommand(&s, command, shell)
		return e.Check(scheduledb.Schedule{}, s)
	}
	require.ErrorContains(t, check("bq query", false), "set RELABEL_ALLOW_EXEC=1")
	env[AllowExec] = "1"
	for _, command := range []string{
		"bq query --format=csv 'SELECT token, password FROM t'", "cat names.csv", "aws s3 cp s3://shop/names.csv -", "curl -fsS https://h:8080/x?a=b",
		"gcloud secrets-manager x", `curl -H "Authorization: Bearer $API_TOKEN" https://h/x`, "mysql --password=$PW -e 'SELECT 1'", "curl --user $ME:$PW https://h",
		"curl https://u:$PW@h/x", "TOKEN=$T fetch",
	} {
		require.NoError(t, check(command, true), command)
	}
	for _, command := range []string{
		"curl https://u:geheim@h/x", "mysql --password=geheim", "mysql --password geheim", "curl -u u:geheim https://h", "curl --user=u:geheim h",
		"PGPASSWORD=geheim psql", "env API_TOKEN=geheim x", `curl -H "Authorization: Bearer geheim" h`, "fetch --api-token 'geheim'", "curl 'https://h/?token=geheim'",
		"snowsql -o password:geheim",
	} {
		err := check(command, true)
		require.ErrorContains(t, err, "would be stored with its secret", command)
		require.NotContains(t, err.Error(), "geheim")
	}
	require.ErrorContains(t, check("bq query | head", false), "only a shell understands")
	require.NoError(t, check("bq query | head", true))
	require.ErrorContains(t, check("", false), "the command is empty")
}
