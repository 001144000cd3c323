// Package embedpg owns the private PostgreSQL that relabel runs when no DATABASE_URL is given: finding or
// fetching the server binaries, the data folder, the server process, and who may start and stop it.
//
// Any number of commands share one server. Each holds a shared file lock while it uses the server, and the last
// one out stops it. Starting and stopping happen under a second, exclusive lock. Both locks belong to the kernel,
// so a killed command leaves nothing to clean up: its server goes on, and the next command joins it.
//
// Everything lives in the state folder:
//
//	pg15/data        the data folder of PostgreSQL 15; another major version has its own
//	pg15/password    the password of that data folder's one role
//	log/pg15.log     what the server said
//	run/             the server's Unix socket (see socketDir for paths too long for one)
//	locks/           control.lock (start and stop) and clients.lock (one share per command)
//	binaries/        fetched server binaries, when the machine has none
//
// PostgreSQL refuses to run as root. When relabel runs as root the server's processes run as an unprivileged
// account, which owns its data and its socket folder and nothing else here.
package embedpg

import (
	"errors"
	"log/slog"
)

// ErrNotRunning is returned by Join when there is no running server to join.
var ErrNotRunning = errors.New("private PostgreSQL is not running: any relabel command without DATABASE_URL starts it")

// ErrInUse is returned by Stop while other relabel commands hold the server.
var ErrInUse = errors.New("private PostgreSQL is in use by other relabel commands: let them end or stop them, then try again")

// Config says where the private PostgreSQL lives and how it runs.
type Config struct {
	// StateDir holds data folders, sockets and locks; "" means DefaultStateDir.
	StateDir string
	// CacheDir is where fetched server binaries are unpacked; "" means the folder binaries in StateDir.
	CacheDir string
	// Port, when not 0, makes the server listen on 127.0.0.1:Port besides its Unix socket.
	Port int
	// Settings are further server settings, such as fsync=off in tests. They take effect when this call is the
	// one that starts the server; a server that is already running keeps the settings it was started with.
	Settings map[string]string
	// Logger is told what takes long or is unusual; nil means silence.
	Logger *slog.Logger

	search *search // where binaries are looked for; nil outside this package's tests
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

// search says where server binaries are looked for, in this order: path, folders, pgConfig, the cache, and last
// the repository they are fetched from.
type search struct {
	path       string   // as in $PATH
	folders    []string // glob patterns of usual install folders
	repository string   // base URL of the Maven repository; "" is the library's own
}

// Status is what Inspect found.
type Status struct {
	Running    bool
	InUse      bool   // some relabel command uses the server, or is starting or stopping it
	Version    string // of the running server, else of the binaries that would start it: "15.13"
	Major      int
	StateDir   string
	DataDir    string // "" before the first start
	SocketDir  string // "" unless running
	BinDir     string // the binaries that would start it; "" when there are none
	LogFile    string
	PID        int    // 0 unless running
	Port       int    // the port in the socket's name and, with TCP, on 127.0.0.1; 0 unless running
	TCP        bool   // whether the running server listens on 127.0.0.1:Port
	Problem    string // why it could not be started, in one line; "" when it could
	OtherMajor []int  // older data folders that lie beside the one in use, newest first
}
