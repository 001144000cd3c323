// Package embedpg owns the private PostgreSQL that relabel runs when no DATABASE_URL is given: the server programs
// (found on the machine or downloaded), the data folder, and the server process.
//
// Open starts the server or joins the running one, and returns a Server with the connection URL. Server.Close leaves
// it. Stop ends a server that killed commands left behind. Inspect reports on the server and changes nothing.
//
// Any number of commands share one server. Each holds a shared file lock while it uses the server, and the last one
// to leave stops it. Starting and stopping happen under a second, exclusive lock. The kernel releases both locks when
// a process ends, so a killed command leaves nothing to clean up: its server runs on, and the next command joins it.
//
// Everything is in the state folder:
//
//	pg15/data        the data folder of PostgreSQL 15; another major version has its own
//	pg15/password    the password of that data folder's only role
//	log/pg15.log     the server's log
//	run/             the server's Unix socket (see socketDir for paths that are too long for one)
//	locks/           control.lock (start and stop) and clients.lock (one share per command)
//	binaries/        downloaded server programs, if the machine has none
//
// PostgreSQL refuses to run as root. When relabel runs as root, the server runs as an unprivileged account, which
// owns its data and its socket folder and nothing else here.
package embedpg

import (
	"errors"
	"log/slog"
)

// ErrInUse is returned by Stop while other relabel commands use the server.
var ErrInUse = errors.New("private PostgreSQL is in use by other relabel commands: let them end or stop them, then try again")

// Config says where the private PostgreSQL is and how it runs.
type Config struct {
	// StateDir holds everything; "" means the user's own state folder.
	StateDir string
	// Settings are further server settings, such as fsync=off in tests. A server that is already running keeps the
	// settings it was started with.
	Settings map[string]string
	// Logger gets what takes long or is unusual; nil means no log.
	Logger *slog.Logger

	search *search // where programs are looked for; set by tests of this package only
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

// search says where server programs are looked for: in path, in folders, with pg_config from path, in binaries of the state
// folder. If there are none, they are downloaded.
type search struct {
	path       string   // as in $PATH
	folders    []string // glob patterns of the usual install folders
	repository repository
}

// Status is the result of Inspect.
type Status struct {
	Running    bool
	InUse      bool   // a relabel command uses the server, or is starting or stopping it
	Version    string // of the running server, else of the programs that would start it: "15.13"
	Major      int
	StateDir   string
	DataDir    string // "" before the first start
	SocketDir  string // "" unless running
	BinDir     string // the programs that would start it; "" if there are none
	LogFile    string
	PID        int    // 0 unless running
	Port       int    // the number in the socket's name; 0 unless running
	TCP        bool   // whether the running server also listens on TCP, which it does not if this package started it
	Problem    string // why it could not be started, in one line; "" if it could
	OtherMajor []int  // older data folders beside the one in use, newest first
}
