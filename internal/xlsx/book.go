// Package xlsx reads and writes Excel workbooks (.xlsx) as streams of rows.
//
// Open opens a workbook. Book.Sheet chooses one of its sheets, and Book.Rows reads that sheet row by row. A Cell holds what
// the file says, and Book.Text returns the text that a person sees in it. Writer writes a workbook with one sheet of text.
// Memory stays the same for any number of rows: large shared strings go to a temporary file.
//
// github.com/xuri/excelize writes the workbooks, and shows numbers and dates by their formats. The reader of sheets is our
// own, because four things that excelize's Rows hides would send wrong names:
//
//   - A damaged sheet looks like a shorter one. Here it is an error.
//   - An asset id that became the number 6.17E+23 is shown as 617000000000000000000000, which looks like an asset id.
//   - The error #N/A looks like a text.
//   - A formula without a stored value looks like a blank cell.
//
// Errors are worded to follow the name of the file and a colon.
package xlsx

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Creator is the author in the properties of the workbooks that relabel writes. Spreadsheets keep it when they save.
const Creator = "relabel"

const (
	// maxDirectory bounds the memory for the list of files in the zip. A workbook has a few dozen of them, of 100 bytes.
	maxDirectory = 4 << 20
	// maxDocument bounds a file that is read as a whole, such as the styles. Real ones have a few MiB at most.
	maxDocument = 8 << 20
)

// Book is an open workbook. It is not safe for concurrent use.
type Book struct {
	parts    map[string]*zip.File // by lower-case name
	sheets   []Sheet
	shared   string // name of the part with the shared strings, if there is one
	styles   string // name of the part with the styles, if there is one
	date1904 bool
	texts    texts
	loaded   bool // texts hold the shared strings

	// show formats a number; nil until it is needed. It is a function, not a field with an excelize.File: through the
	// interfaces that a Book is used by, the linker would keep all methods of that type, which are 4 MB of the program.
	show func(Cell) (string, error)
}

// Sheet is a sheet of cells. Charts and macros have sheets too, which are left out.
type Sheet struct {
	Name   string
	Hidden bool
	part   string
}

// Open reads the directory of a workbook. Close the Book when done; the caller still owns the reader.
func Open(r io.ReaderAt, size int64) (*Book, error) {
	if err := checkOLE(r); err != nil {
		return nil, err
	}
	limited := &directoryReader{src: r, left: maxDirectory}
	files, err := zip.NewReader(limited, size)
	if err != nil {
		return nil, damaged(err)
	}
	limited.open = true
	b := &Book{parts: map[string]*zip.File{}}
	for _, f := range files.File {
		name := partName(f.Name)
		if _, twice := b.parts[name]; twice {
			return nil, damaged(fmt.Errorf("it holds %s twice", f.Name))
		}
		b.parts[name] = f
	}
	return b, b.readWorkbook()
}

// partName is how parts are looked up: their names have no case, and some programs write backslashes.
func partName(name string) string {
	return strings.ToLower(strings.TrimPrefix(strings.ReplaceAll(name, `\`, "/"), "/"))
}

// directoryReader stops a reading of the zip's directory that takes too much memory.
type directoryReader struct {
	src  io.ReaderAt
	left int
	open bool // the directory was read
}

// ReadAt implements io.ReaderAt.
func (d *directoryReader) ReadAt(p []byte, off int64) (int, error) {
	if d.left -= len(p); d.left < 0 && !d.open {
		return 0, errors.New("it holds too many files")
	}
	return d.src.ReadAt(p, off)
}

func (b *Book) readWorkbook() error {
	main := "xl/workbook.xml"
	root, err := b.relations("")
	if err != nil {
		return err
	}
	for _, r := range root {
		if r.is("officeDocument") {
			main = r.part
		}
	}
	if b.parts[main] == nil || path.Ext(main) != ".xml" || !strings.HasPrefix(main, "xl/") {
		return b.foreign()
	}
	var doc struct {
		Properties struct {
			Date1904 string `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets []sheetElement `xml:"sheets>sheet"`
	}
	if err := b.document(main, &doc); err != nil {
		return err
	}
	b.date1904 = doc.Properties.Date1904 == "1" || doc.Properties.Date1904 == "true"
	relations, err := b.relations(main)
	if err != nil {
		return err
	}
	return b.addSheets(doc.Sheets, relations)
}

type sheetElement struct {
	Name  string `xml:"name,attr"`
	State string `xml:"state,attr"`
	ID    string `xml:"id,attr"`
}

func (b *Book) addSheets(sheets []sheetElement, relations []relation) error {
	targets := map[string]relation{} // by id
	for _, r := range relations {
		switch {
		case b.parts[r.part] == nil:
		case r.is("worksheet"):
			targets[r.ID] = r
		case r.is("sharedStrings"):
			b.shared = r.part
		case r.is("styles"):
			b.styles = r.part
		}
	}
	for _, s := range sheets {
		if r, ok := targets[s.ID]; ok {
			b.sheets = append(b.sheets, Sheet{Name: s.Name, Hidden: s.State != "" && s.State != "visible", part: r.part})
		}
	}
	if len(b.sheets) == 0 {
		return errors.New("the workbook has no sheet with cells")
	}
	return nil
}

// relation says what another part is for.
type relation struct {
	ID     string `xml:"Id,attr"`
	Type   string `xml:"Type,attr"`
	Target string `xml:"Target,attr"`
	part   string // name of the target
}

// is compares the end of the type. Its beginning differs between the two editions of the standard.
func (r relation) is(kind string) bool { return strings.HasSuffix(r.Type, "/"+kind) }

// relations reads what a part, or with an empty name the workbook's file itself, refers to.
func (b *Book) relations(of string) ([]relation, error) {
	dir, file := path.Split(of)
	name := dir + "_rels/" + file + ".rels"
	if b.parts[name] == nil {
		return nil, nil
	}
	var doc struct {
		Relations []relation `xml:"Relationship"`
	}
	err := b.document(name, &doc)
	for i, r := range doc.Relations {
		target := r.Target
		if !strings.HasPrefix(target, "/") {
			target = dir + target
		}
		doc.Relations[i].part = partName(path.Clean(target))
	}
	return doc.Relations, err
}

// Sheets lists the sheets in their order.
func (b *Book) Sheets() []Sheet { return b.sheets }

// Sheet finds a sheet by its name, or with an empty name the first visible one.
func (b *Book) Sheet(name string) (Sheet, error) {
	at := slices.IndexFunc(b.sheets, func(s Sheet) bool { return s.Name == name || name == "" && !s.Hidden })
	if at < 0 {
		at = slices.IndexFunc(b.sheets, func(s Sheet) bool { return strings.EqualFold(s.Name, name) || name == "" })
	}
	if at < 0 {
		return Sheet{}, fmt.Errorf("the workbook has no sheet %q; it has %s", name, b.sheetNames())
	}
	return b.sheets[at], nil
}

// shownSheets is how many names a message lists.
const shownSheets = 20

func (b *Book) sheetNames() string {
	var names []string
	for _, s := range b.sheets[:min(len(b.sheets), shownSheets)] {
		names = append(names, fmt.Sprintf("%q", s.Name))
	}
	if more := len(b.sheets) - shownSheets; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// Creator returns who made the workbook, by its properties, and the program that saved it last.
func (b *Book) Creator() (creator, application string) {
	var core struct {
		Creator string `xml:"creator"`
	}
	var app struct {
		Application string `xml:"Application"`
	}
	for name, doc := range map[string]any{"docprops/core.xml": &core, "docprops/app.xml": &app} {
		if b.parts[name] != nil {
			_ = b.document(name, doc) // what can't be read says nothing
		}
	}
	return core.Creator, app.Application
}

// Close removes the temporary file, if there is one.
func (b *Book) Close() error { return b.texts.close() }
