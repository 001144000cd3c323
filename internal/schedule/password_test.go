package schedule

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A password is found however it is written: what counts is the text that would
// be stored.
func TestHoldsPassword(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"postgres://u:geheim@h/d", "postgresql://u:geheim@h:5432/d", "postgres://u:p%40ssw0rd@h/d", "postgres://u:%67eheim@h/d",
		"postgres://u:p@ss@h/d", "postgres://:geheim@h/d", "postgres://u:geheim@h1:1,h2:2/d", "postgres://u%3Ageheim@h/d",
		"postgres://h/d?user=u&password=geheim", "postgres://h/d?PASSWORD=geheim", "postgres://h/d?pass%77ord=geheim",
		"postgres://h/d?sslmode=require&sslpassword=geheim", "postgres://h/d?password=%67eheim", "postgres://h/d?sslmode=require;password=geheim",
		"postgres://h/d?%zzpassword=geheim", "postgres://h/d?oauth_client_secret=geheim", "postgres://h/d#password=geheim",
		"POSTGRES://u:geheim@h/d?sslmode=disable",
		"host=h user=u password=geheim", "password=geheim", "host=h password = geheim", "host=h\tpassword\n=\n'geheim'", "host=h PassWord='ge heim'",
		`host=h password=\'`, `host=h password='\''`, "host=h sslpassword=geheim", "host=h passwd=geheim", "host=h pwd=geheim",
		"host=h password= user=u", // the password is user=u
		"host=h application_name='' password='' password=geheim",
		"host=h options=postgres://u:geheim@h/d",
		"mysql://u:geheim@h/d", "mysql://u:geh%eim@h/d", "sqlserver://u:geheim@h?database=d", "sqlserver://u@h?database=d&password=geheim",
		"sqlserver:server=h;user id=u;password=geheim", "oracle://u@h/d", "mysql:u:geheim@tcp(h)/d?x=://",
	} {
		require.True(t, HoldsPassword(text), text)
	}
	for _, text := range []string{
		"postgres://u@h/d", "postgres://h/d", "postgres://u:@h/d", "postgres:///d?host=/tmp&user=u", "postgres://u@h1:1,h2:2/d?sslmode=require",
		"postgres://u@h/d?password=", "postgres://u@h/d?passfile=/etc/pgpass", "postgres://u@[::1]:5432/d?sslrootcert=/ca.pem",
		"postgres://u@h/password", "postgres://password@h/d", "postgresql://u@h:5432/d?application_name=a%3Ab",
		"host=h user=u dbname=d", "host=h password='' user=u", "host=h user=u password=", "host=h password=''", "host=h passfile=/etc/pgpass",
		"mysql://u@h/d", "mysql://u@h/d?tls=true", "sqlserver://u@h?database=d", "sqlite:/srv/names.db", "sqlite:///srv/names.db",
		"host=h dbname=password", "host = h user = 'a b'",
	} {
		require.False(t, HoldsPassword(text), text)
	}
}
