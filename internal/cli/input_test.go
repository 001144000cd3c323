package cli

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// A source that is refused loads nothing, and says what would be right.
func TestRefusedSource(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "folder.csv"), 0o700))
	id := standin.AssetID(0)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"missing.csv", "", []string{"missing.csv", "no such file"}},
		{"folder.csv", "", []string{"folder.csv", "folder"}},
		{"empty.csv", "\n", []string{"empty.csv"}},
		{"header.csv", "asset_id,display_name\n", []string{"header.csv", "no rows"}},
		{"other.csv", "Asset No. ID,Alt text\n" + id + ",x\n", []string{"no column says which asset is meant (asset_id, or instead current_name, original_file_name or hosted_url)", `"Asset No. ID", "Alt text"`, "--map"}},
		{"nothing.csv", "asset_id,size\n" + id + ",3\n", []string{"no display_name", `"asset_id", "size"`}},
		{"quote.csv", "asset_id,display_name\n" + id + ",\"open\n", []string{"quote.csv", "line 2"}},
		{"bad.csv", "asset_id,display_name\nnope,x\n" + id + ",y\n", []string{"bad.csv", "1 row is invalid, so nothing was loaded"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := *b
			b.t = t
			if c.text != "" {
				b.file(c.name, c.text)
			}
			for _, command := range []string{"enqueue", "run"} {
				b.run(command, c.name).fails(exitError, c.want...)
			}
		})
	}
	b.pipe("asset_id,display_name\nnope,x\n", "enqueue", "-").fails(exitError, "standard input", "nothing was loaded")
	b.pipe("", "enqueue", "-").fails(exitError, "standard input")
	require.Zero(t, b.api.Calls())
	require.Empty(t, b.ok("status", "--json").json()["batches"], "something was loaded")
}

// A small .gz may hold very many rows. The load says so as it reads them, and --max-rows
// ends it with nothing loaded.
func TestMaxRows(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	b.file("names.csv", names(3))
	b.run("enqueue", "names.csv", "--max-rows", "2").fails(exitError, "nothing was loaded", "names.csv has more than 2 rows", "--max-rows")
	b.run("plan", "names.csv", "--max-rows", "-1").fails(exitUsage, "--max-rows")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte("asset_id,display_name\n" + strings.Repeat(standin.AssetID(0)+",x\n", 120_000)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Less(t, packed.Len(), 20_000)
	b.file("bomb.csv.gz", packed.String())
	r := b.run("enqueue", "bomb.csv.gz", "--max-rows", "110000")
	require.Equal(t, exitError, r.code)
	require.Contains(t, r.stderr, "bomb.csv.gz has more than 110,000 rows")
	require.Empty(t, b.ok("status", "--json").json()["batches"], "something was loaded")
	b.ok("enqueue", "names.csv", "--max-rows", "3")
}

// badRows is a CSV of n rows, each with an asset id that is none, and one good row.
func badRows(n int) string {
	text := "asset_id,display_name\n"
	for i := range n {
		text += fmt.Sprintf("bad-%d,name\n", i)
	}
	return text + standin.AssetID(0) + ",good\n"
}

func TestProblems(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})

	t.Run("first 50 on standard error", func(t *testing.T) {
		r := b.pipe(badRows(60), "enqueue", "-").fails(exitError, "60 rows are invalid")
		require.Equal(t, 50, strings.Count(r.stderr, "error: line "))
		require.Contains(t, r.stderr, `error: line 2, asset_id "bad-0": `)
		require.Contains(t, r.stderr, "error: and 10 more problems; --json lists all\n")
	})
	t.Run("all as one object", func(t *testing.T) {
		r := b.pipe(badRows(60), "enqueue", "-", "--json").exits(exitError)
		list := r.json()["problems"].([]any)
		require.Len(t, list, 60)
		first := list[0].(map[string]any)
		require.Equal(t, 2., first["line"])
		require.Equal(t, "asset_id", first["column"])
		require.Equal(t, "bad-0", first["value"])
		require.NotEmpty(t, first["message"])
		require.Contains(t, r.errorLine(), "nothing was loaded")
	})
	require.Empty(t, b.ok("status", "--json").json()["batches"], "something was loaded")

	t.Run("skip invalid", func(t *testing.T) {
		r := b.pipe(badRows(60), "enqueue", "-", "--skip-invalid", "--json").exits(exitOK)
		v := r.json()
		require.Len(t, v["problems"], 60)
		require.Equal(t, 60., v["invalid"])
		require.Equal(t, 1., v["pending"])
		id := fmt.Sprint(v["batch"])
		b.run("work", "--until-done").fails(exitTrouble, "60 rows did not succeed")
		rows := b.ok("results", id, "--status", "invalid").stdout
		require.Contains(t, rows, "bad-59")
		require.NotContains(t, rows, "good")
		r = b.pipe(badRows(1), "enqueue", "-", "--skip-invalid").exits(exitOK)
		require.Contains(t, r.stderr, `warning: line 2, asset_id "bad-0": `)
		require.NotContains(t, r.stderr, "error: ")
	})
}

func TestRunSkipInvalid(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	r := b.pipe(badRows(2), "run", "-", "--skip-invalid", "--json").exits(exitTrouble)
	v := r.json()
	require.Len(t, v["problems"], 2)
	require.Equal(t, "done", v["status"])
	require.Equal(t, 1., v["succeeded"])
	require.Equal(t, 2., v["invalid"])
	require.Equal(t, "good", b.api.Name(standin.AssetID(0), ""))
}

// Everything that a CSV may be arrives as it was meant.
func TestSourceForms(t *testing.T) {
	b := setup(t, standin.Config{Assets: 4})
	id := standin.AssetID
	b.file("semicolon.csv", "\ufeffAssetID;Display_Name;Size\r\n"+id(0)+";\"a; \"\"b\"\"\";7\r\n")
	r := b.ok("run", "semicolon.csv")
	require.Regexp(t, `(?m)^warning: columns not used: Size$`, r.stderr)
	require.Equal(t, `a; "b"`, b.api.Name(id(0), ""))

	b.file("mapped.csv", "Ref,New name\n"+id(1)+",mapped\n")
	b.ok("run", "mapped.csv", "--map", "asset_id=Ref", "--map", "display_name=New name", "--name", "my batch")
	require.Equal(t, "mapped", b.api.Name(id(1), ""))
	require.Equal(t, "my batch", b.status("2")["name"])
	b.run("run", "mapped.csv", "--map", "nonsense").fails(exitUsage, "--map")

	b.pipe("asset_id,alt_text,locale_id\n"+id(2)+",un chien,"+standin.FrenchLocale+"\n", "run", "-").exits(exitOK)
	require.Equal(t, "un chien", *b.api.AltText(id(2), standin.FrenchLocale))
	require.Equal(t, "standard input", b.status("3")["name"])
}

// The last row of a target wins; the same file again costs no call.
func TestSameTargetAndSameFile(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	b.file("twice.csv", "asset_id,display_name\n"+standin.AssetID(0)+",old\n"+standin.AssetID(0)+",new\n")
	v := b.ok("run", "twice.csv", "--json").json()
	require.Equal(t, 1., v["superseded"])
	require.Equal(t, "new", b.api.Name(standin.AssetID(0), ""))
	require.Equal(t, 1, b.api.Calls())
	b.ok("run", "twice.csv")
	require.Equal(t, 1, b.api.Calls())
}
