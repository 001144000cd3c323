//go:build unix

package embedpg

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// socketPort is the number in the socket's name. The socket is alone in its folder, so any number will do.
const socketPort = 5432

// settingName matches the name of a server setting, also of an extension's.
var settingName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$`)

// checkSettings refuses what would not reach the server as one plain setting, and the settings that this package
// decides: where the data is and who may connect.
func checkSettings(settings map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !settingName.MatchString(name) {
			return fmt.Errorf("setting %q for the private PostgreSQL is not a name of lower-case letters, digits and underscores", name)
		}
		if strings.ContainsFunc(settings[name], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("setting %s for the private PostgreSQL has a control character in its value", name)
		}
		if slices.Contains(ownSettings(), name) {
			return fmt.Errorf("setting %s for the private PostgreSQL is relabel's own: leave it out", name)
		}
	}
	return nil
}

func ownSettings() []string {
	return []string{
		"data_directory", "config_file", "hba_file", "ident_file", "external_pid_file", "listen_addresses", "port",
		"unix_socket_directories", "unix_socket_permissions", "unix_socket_group", "password_encryption",
		"log_destination", "logging_collector",
	}
}

// serverSettings is how the private server runs. It serves one program on one machine, with short statements by
// key, and sometimes a bulk load of millions of rows.
func serverSettings(extra map[string]string, socketDir string) map[string]string {
	settings := map[string]string{
		"fsync":                            "on",      // what relabel reports as stored must survive a power cut
		"shared_buffers":                   "128MB",   // the working set (pending rows, jobs) fits, and a laptop can spare it
		"max_connections":                  "100",     // a dozen commands with pools of about 8
		"max_wal_size":                     "2GB",     // a load of 5,000,000 rows without a checkpoint every few seconds
		"wal_level":                        "minimal", // nobody replicates a private server, and loads then write less
		"max_wal_senders":                  "0",       // wal_level=minimal requires it
		"max_logical_replication_workers":  "0",       // one process less
		"max_parallel_workers_per_gather":  "0",       // parallel plans need /dev/shm, which is 64 MB in a container
		"max_parallel_maintenance_workers": "0",       // the same
		"huge_pages":                       "off",     // 128 MB gain nothing, and in some containers trying is fatal
		"jit":                              "off",     // compiling (100 ms) costs more than our statements take
		"timezone":                         "UTC",     // the same everywhere
		"log_timezone":                     "UTC",
		"log_checkpoints":                  "off",     // the log is for what went wrong
		"cluster_name":                     "relabel", // so that ps shows whose it is
	}
	maps.Copy(settings, extra)
	settings["listen_addresses"] = "" // no TCP
	settings["port"] = strconv.Itoa(socketPort)
	settings["unix_socket_directories"] = `"` + strings.ReplaceAll(socketDir, `"`, `""`) + `"`
	settings["unix_socket_permissions"] = "0700" // the folder is 0700 already
	settings["password_encryption"] = "scram-sha-256"
	return settings
}

// serverArgs passes the settings as arguments: they override postgresql.conf, and a new version of relabel can change them.
func serverArgs(dataDir string, settings map[string]string) []string {
	args := []string{"-D", dataDir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
