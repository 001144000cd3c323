package rule

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// storable fails for a text that a load would refuse.
func storable(t *testing.T, text string, limit int) {
	t.Helper()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || len(text) > limit || strings.TrimSpace(text) == "" {
		t.Fatalf("not storable: %q", text)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{stem}-{n:03}{ext}", "{stem|slug|upper}", "{{}}", "{date:YYYY}{folder|title}", "{original|ascii|words|trim}{id}{size}", "}{", "{n|", "é{stem:"} {
		f.Add(s, "IMG_1.jpg")
	}
	f.Add("{stem}{ext}", "\xff\x00.jpg")
	f.Fuzz(func(t *testing.T, text, name string) {
		for _, r := range []Rule{{Change: Change{Template: text, AltTemplate: text}}, {Change: Change{Template: text, ChangeExtension: true}}} {
			res, err := r.Apply(assetsOf(name, "b.png"))
			if err != nil {
				continue
			}
			checkRenames(t, res, r.ChangeExtension)
		}
	})
}

func FuzzReplace(f *testing.F) {
	f.Add(`IMG_(\d+)`, "hero-$1", "IMG_*", "IMG_1.jpg")
	f.Add(`(?P<x>a)|b`, "${x}$$", "[a-z]?", "ab.jpg")
	f.Add(`$`, "\\", "\\", "ab.")
	f.Fuzz(func(t *testing.T, find, with, glob, name string) {
		r := Rule{Match: Match{Names: []string{"*", glob}, IgnoreCase: true}, Change: Change{Replacements: []Replacement{{find, with}, {find, with}}}}
		if res, err := r.Apply(assetsOf(name)); err == nil {
			checkRenames(t, res, false)
		}
	})
}

func checkRenames(t *testing.T, res Result, changeExtension bool) {
	t.Helper()
	for _, one := range res.Renames {
		if one.Name != nil {
			storable(t, *one.Name, maxName)
			_, before := split(one.Old)
			if !changeExtension && !strings.EqualFold((*one.Name)[max(0, len(*one.Name)-len(before)):], before) {
				t.Fatalf("%q has lost its extension: %q", one.Old, *one.Name)
			}
		}
		if one.Alt != nil {
			storable(t, *one.Alt, maxAlt)
		}
	}
	if int64(len(res.Renames)+len(res.LeftOut))+res.Unchanged != res.Matched {
		t.Fatalf("%d renames, %d left out, %d unchanged of %d", len(res.Renames), len(res.LeftOut), res.Unchanged, res.Matched)
	}
}
