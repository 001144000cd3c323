package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// topic is a page of the help that belongs to no single command. The same
// entries are printed by `relabel help NAME` and in docs/reference.md.
type topic struct {
	name, title string
	entries     []entry
	note        string // follows the entries
}

type entry struct{ name, text, otherwise string }

func topics() []topic { return []topic{environmentTopic(), exitCodesTopic()} }

func environmentTopic() topic {
	return topic{
		name:  "environment",
		title: "Environment variables",
		entries: []entry{
			{"WEBFLOW_TOKEN", "the API token, with the scope assets:write, and assets:read for plan, undo, verify and pull", ""},
			{"WEBFLOW_TOKEN_FILE", "a file that holds the token; used when WEBFLOW_TOKEN is not set", ""},
			{"WEBFLOW_RATE_LIMIT", "60/1m: at most 60 calls a minute, and fewer if the API says so.\n" +
				"learn: follow the API's headers, starting at 60 calls a minute.\n" +
				"learn/WINDOW: the same for an API with another window. none: no limit.\n" +
				"If sites share a token, the lowest limit holds for all of them", "learn"},
			{"WEBFLOW_API_URL", "address of the API: https, or http on this machine only", "https://api.webflow.com/v2"},
			{"RELABEL_API_HOSTS", "other hosts that a site's --api-url may name, as HOST or HOST:PORT with commas between:\n" +
				"its token is sent there", "the host of WEBFLOW_API_URL only"},
			{"RELABEL_TOKEN_ENV", "the variables that a site's --token-env may name: patterns with commas between", "*WEBFLOW_TOKEN*"},
			{
				"RELABEL_TOKEN_DIRS", "the folders that a site's --token-file may be in, separated as in PATH",
				"/run/secrets, $CREDENTIALS_DIRECTORY, and the folder of WEBFLOW_TOKEN_FILE",
			},
			{"RELABEL_CALL_TIMEOUT", "the longest time for one call, 1s to 1m", "30s"},
			{"RELABEL_SOURCE_URL", "the database that --sql reads from: postgres://, mysql://, sqlserver:// or sqlite:FILE", ""},
			{
				"RELABEL_SOURCE_DIRS", "the folders that a schedule may read files from, and those below, separated as in PATH",
				"the folder in which relabel work is started, unless that is /",
			},
			{"RELABEL_SOURCE_ENV", "the variables that a schedule's --source-env may name: patterns with commas between", "*SOURCE_URL*"},
			{"RELABEL_ALLOW_EXEC", "1: schedules may run commands (--exec), as the account of relabel work.\n" +
				"Everybody who can write to the database can then run any command there", "refused"},
			{"RELABEL_NOTIFY_HEADERS", "headers for the web hooks of one host: HOST NAME: VALUE, such as\n" +
				"hooks.example.com Authorization: Bearer TOKEN; each on a line of its own", ""},
			{"RELABEL_SMTP_PASSWORD", "the passwords for mail servers of notices: HOST PASSWORD, each on a line of its own", ""},
			{"RELABEL_NOTIFY_SECRET", "the key that signs notices; unset: they are not signed", ""},
			{"RELABEL_NOTIFY_ALLOW_PRIVATE", "1: notices may go to private networks, and over http. Set this and the other\nvariables for notices (RELABEL_NOTIFY_*, RELABEL_SMTP_PASSWORD) for each work, run and serve", "refused"},
			{"RELABEL_SOURCE_ALLOW_PRIVATE", "1: a schedule may read its source from private networks, and over http", "refused"},
			{"DATABASE_URL", "the PostgreSQL to use: postgres://USER:PASSWORD@HOST:PORT/DATABASE, or several as HOST1,HOST2", "a private one"},
			{"DATABASE_PASSWORD_FILE", "a file that holds the password of DATABASE_URL, which then has none", ""},
			{"RELABEL_STATE_DIR", "the folder of the private PostgreSQL", "`relabel db status` prints it"},
			{"RELABEL_LOG", "debug: log everything on standard error", ""},
			{"RELABEL_LOG_FORMAT", "json: each log line is a JSON object", "text"},
		},
		note: "HTTPS_PROXY and NO_PROXY apply to calls to the API. If GOGC is not set, it is 400 in workers without a rate limit and with more than 16 calls in flight. An empty variable counts as unset.",
	}
}

func exitCodesTopic() topic {
	return topic{
		name:  "exit-codes",
		title: "Exit codes",
		entries: []entry{
			{fmt.Sprint(exitOK), "success. work: also when a signal stops it. demo: the outcome was as expected", ""},
			{fmt.Sprint(exitError), "error. run: interrupted with rows left. run, work --until-done: relabel paused a\nbatch because too many rows failed for the same cause. doctor: found a problem", ""},
			{fmt.Sprint(exitUsage), "wrong usage: an unknown command or option, or a bad value of an option or a variable", ""},
			{fmt.Sprint(exitTrouble), "run, work --until-done: finished, but rows failed, are invalid or in conflict\n" +
				"(run: or cancelled). verify: assets have changed or are gone", ""},
			{fmt.Sprint(exitParked), "run, work --until-done: stopped with rows left, because the site is parked;\nrun: also if it stops while the API keeps failing. " +
				"site check: the API refuses the token", ""},
			{fmt.Sprint(exitChanges), "plan --detailed-exitcode: at least one row would change; 0 means that none would", ""},
		},
	}
}

// topicCommands makes the topics readable with `relabel help NAME`. Cobra takes
// a command that runs nothing for a help topic.
func topicCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, t := range topics() {
		commands = append(commands, &cobra.Command{Use: t.name, Short: t.title, Long: t.text()})
	}
	return commands
}

func (t topic) text() string {
	var b strings.Builder
	b.WriteString(t.title + "\n")
	for _, e := range t.entries {
		fmt.Fprintf(&b, "\n  %s\n", e.name)
		fmt.Fprintf(&b, "      %s\n", strings.ReplaceAll(e.full(), "\n", "\n      "))
	}
	if t.note != "" {
		b.WriteString("\n" + t.note + "\n")
	}
	return b.String()
}

// full is the entry's text with its default.
func (e entry) full() string {
	if e.otherwise == "" {
		return e.text
	}
	return e.text + " (default: " + e.otherwise + ")"
}
