package web

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"

	"relabel/internal/intake"
	"relabel/internal/xlsx"
)

const (
	columnsPath = "/upload/columns"

	// mapField begins the names of the form's fields that say which column is which.
	mapField = "map-"

	// headSize is how much of a CSV is read for the preview; the script sends as much.
	headSize = 64 << 10

	previewRows = 5
)

// columnsForm asks which column of a file is which, and shows its first rows.
type columnsForm struct {
	intake.Sample
	Choices []columnChoice
}

// columnChoice is one of our columns, and the header that is chosen for it.
type columnChoice struct{ Column, Field, Header string }

// columnsOf asks which of a sample's columns is which; it returns nil if there is no need.
func columnsOf(sample *intake.Sample, chosen map[string]string) *columnsForm {
	if sample == nil {
		return nil
	}
	f := &columnsForm{Sample: *sample}
	for _, c := range intake.SampleColumns() {
		f.Choices = append(f.Choices, columnChoice{Column: c, Field: mapField + c, Header: cmp.Or(chosen[c], sample.Guesses[c])})
	}
	return f
}

// askColumns answers the script of the form with the fields for the chosen file, if it
// needs any. Of a workbook the beginning says nothing; it is asked about after its upload.
func (s *Server) askColumns(w http.ResponseWriter, r *http.Request) {
	s.renderPart(w, "upload", "columns", columnsOf(intake.ReadSample(r.Body, previewRows), nil))
}

// head is a CSV whose beginning can be read again.
type head struct {
	*bufio.Reader
	first []byte
}

func newHead(r io.Reader) *head {
	h := &head{Reader: bufio.NewReaderSize(r, headSize)}
	first, _ := h.Peek(headSize) // an error comes again when the file is read
	h.first = slices.Clone(first)
	return h
}

// columns is what the form asks after an error, if a mapping would help.
func (h *head) columns(err error, chosen map[string]string) *columnsForm {
	if workbook, ok := errors.AsType[*intake.MappingError](err); ok {
		return columnsOf(workbook.Sample, chosen)
	}
	if len(chosen) > 0 && xlsx.IsWorkbook(h.first) { // its other columns are not known here
		return columnsOf(&intake.Sample{Header: slices.Sorted(maps.Values(chosen))}, chosen)
	}
	return columnsOf(intake.ReadSample(bytes.NewReader(h.first), previewRows), chosen)
}
