package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

const recipesFile = "../../docs/recipes.md"

// block is a fenced block of docs/recipes.md.
type block struct{ kind, text string }

// recipe is a section of docs/recipes.md: commands, each perhaps with its output.
type recipe struct {
	title  string
	blocks []block
}

// byHand is what somebody does in Webflow meanwhile, in a comment of the page: asset and new name.
const byHand = "by hand"

var parts = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$|^<!-- (" + byHand + "): (.*?) -->$")

func readRecipes(t *testing.T) (text string, list []recipe) {
	t.Helper()
	data, err := os.ReadFile(recipesFile)
	require.NoError(t, err)
	text = strings.ReplaceAll(string(data), "\r\n", "\n")
	for _, section := range strings.Split(text, "\n## ")[1:] {
		r := recipe{}
		r.title, _, _ = strings.Cut(section, "\n")
		for _, m := range parts.FindAllStringSubmatch(section, -1) {
			r.blocks = append(r.blocks, block{m[1] + m[3], m[2] + m[4]})
		}
		list = append(list, r)
	}
	return text, list
}

// Each recipe of docs/recipes.md works: its commands print what the page says, in a shell, against the stand-in. With
// -update the page gets the outputs that differ.
func TestRecipes(t *testing.T) {
	text, list := readRecipes(t)
	require.GreaterOrEqual(t, len(list), 12)
	var mu sync.Mutex
	for _, r := range list {
		t.Run(r.title, func(t *testing.T) {
			b := recipeSite(t)
			for i, bl := range r.blocks {
				var want block
				if i+1 < len(r.blocks) && r.blocks[i+1].kind == "text" {
					want = r.blocks[i+1]
				}
				got := b.follow(bl)
				if *updateReference && want.kind != "" && !prints(want.text, got.output) {
					mu.Lock()
					text = strings.Replace(text, bl.text+"```\n\n```text\n"+want.text, bl.text+"```\n\n```text\n"+got.output, 1)
					mu.Unlock()
				} else {
					got.check(t, bl.text, want)
				}
			}
		})
	}
	t.Cleanup(func() {
		if *updateReference {
			require.NoError(t, os.WriteFile(recipesFile, []byte(text), 0o600))
		}
	})
}

// follow does what a block says.
func (b *testBundle) follow(bl block) printed {
	b.t.Helper()
	switch bl.kind {
	case "sh":
		return b.shell(bl.text)
	case byHand:
		id, name, _ := strings.Cut(bl.text, " ")
		require.True(b.t, b.api.SetName(id, "", name))
	case "text":
	default:
		require.Fail(b.t, "a block is commands (sh) or their output (text), not "+bl.kind)
	}
	return printed{}
}

// recipeSite is the site of the recipes. Its assets are those of the page.
func recipeSite(t *testing.T) *testBundle {
	t.Helper()
	b := setupSite(t, standin.Config{Assets: 5})
	for i, name := range []string{"IMG_0042.jpg", "IMG_0043.jpg", "team.jpg", "divider.svg", "price-list.pdf"} {
		b.api.SetName(standin.AssetID(i), "", name)
	}
	b.api.SetAltText(standin.AssetID(2), "", "The team")
	b.api.SetAltText(standin.AssetID(3), "", "divider")
	for _, sql := range []string{
		`CREATE SCHEMA shop`, `CREATE TABLE shop.photo (webflow_id text, title text)`,
		`INSERT INTO shop.photo VALUES ('` + standin.AssetID(0) + `', 'Autumn'), ('` + standin.AssetID(1) + `', 'Winter')`,
	} {
		_, err := b.db().Pool().Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.NoError(t, os.CopyFS(b.dir, os.DirFS("testdata/recipes"))) // photos.db, a SQLite database like shop.photo
	return b.with("WEBFLOW_RATE_LIMIT", "").with("PATH", filepath.Dir(relabelBinary)+string(os.PathListSeparator)+b.env["PATH"])
}

// printed is what commands printed: warnings, standard output, errors. Progress and notes are not in it.
type printed struct {
	output string
	code   int
}

func (b *testBundle) shell(commands string) printed {
	b.t.Helper()
	commands = strings.ReplaceAll(commands, "postgres://reader:PASSWORD@db.example.com/shop", b.env["DATABASE_URL"])
	cmd := exec.CommandContext(b.t.Context(), "bash", "-c", commands)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = b.dir, b.environ(), &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(b.t, err, &exit, commands)
	}
	var warnings, errs string
	for line := range strings.Lines(stderr.String()) {
		switch {
		case strings.HasPrefix(line, prefixWarning):
			warnings += line
		case strings.HasPrefix(line, prefixError), strings.HasPrefix(line, "bash: "):
			errs += line
		}
	}
	return printed{warnings + stdout.String() + errs, cmd.ProcessState.ExitCode()}
}

// check wants the output of the page. Commands without one must succeed in silence, as far as errors go.
func (p printed) check(t *testing.T, commands string, want block) {
	t.Helper()
	if want.kind == "" {
		require.Zero(t, p.code, "%s\n%s", commands, p.output)
		require.NotContains(t, "\n"+p.output, "\n"+prefixError, commands)
		return
	}
	require.True(t, prints(want.text, p.output), "the commands\n%s\nprint\n%s\nnot\n%s", commands, p.output, want.text)
}

// prints compares an output with the page's. Times and durations differ from run to run; an ellipsis is any text, and
// alone on a line any lines.
func prints(want, got string) bool {
	pattern := regexp.QuoteMeta(varying(want))
	pattern = strings.ReplaceAll(pattern, "\n…\n", "\n(?s:.*)\n")
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	return regexp.MustCompile(`^` + pattern + `$`).MatchString(varying(got))
}

func varying(text string) string {
	text = regexp.MustCompile(`(\d{4}-\d\d-\d\d[T ]|\b)\d\d:\d\d:\d\d(\.\d+)?Z?\b`).ReplaceAllString(text, "TIME")
	return regexp.MustCompile(`\b\d+(\.\d+)? (ms|s|min)\b`).ReplaceAllString(text, "SPAN")
}
