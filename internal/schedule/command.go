package schedule

import (
	"fmt"
	"regexp"

	"relabel/internal/config"
	"relabel/internal/intake"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/usecase"
)

// AllowExec is the variable that lets schedules run commands. Whoever can write to the
// database can store any command, so by default none is run.
const AllowExec = "RELABEL_ALLOW_EXEC"

// commandSecret matches what looks like a secret in a command: a URL with a password, or a
// value after a name such as --password, token= or "Authorization: Bearer". The name of a
// variable ($TOKEN) is none.
var commandSecret = regexp.MustCompile(`(?i)://[^/\s@:]*:[^\s@$][^\s@]*@` +
	`|(^|[\s'"&?;])-{1,2}[\w-]*(password|passwd|pwd|secret|token)[\w-]*[\s=]+['"]?[^\s$'"-]` +
	`|(^|[\s'"&?;])[\w-]*(password|passwd|pwd|secret|token)[\w-]*['"]?\s*[=:]\s*['"]?[^\s$'"-]` +
	`|bearer\s+[^\s$'"]` +
	`|\s(-u|--user)[\s=]*['"]?[^\s:$]+:[^\s$]`)

// SetCommand makes a schedule read the CSV that a command writes.
func SetCommand(s *scheduledb.Schedule, command string, shell bool) {
	s.ClearSource()
	s.Command, s.Shell = &command, shell
}

func (e Sources) allowCommand() error {
	if e.allowed(AllowExec) {
		return nil
	}
	return fmt.Errorf("%w: schedules run no commands here; to allow it, set %s=1 where relabel work runs", config.ErrNotAllowed, AllowExec)
}

// checkCommand also keeps secrets out of the database.
func (e Sources) checkCommand(before, s scheduledb.Schedule) error {
	if before.Command != nil && *s.Command == *before.Command && s.Shell == before.Shell {
		return nil
	}
	flag := "exec"
	if s.Shell {
		flag = "exec-shell"
	}
	if err := e.allowCommand(); err != nil {
		return usecase.WrongSetting(flag, ": %s", err)
	}
	if err := intake.CheckCommand(*s.Command, s.Shell); err != nil {
		return usecase.WrongSetting(flag, ": %s", err)
	}
	if commandSecret.MatchString(*s.Command) {
		return usecase.WrongSetting(flag, " would be stored with its secret: put that into an environment variable of relabel work and name it with --exec-shell ($NAME), or put the command into a script")
	}
	return nil
}
