package web

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"net/http"
	"slices"

	"relabel/internal/intake"
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

// columnsOf reads the beginning of a CSV; it returns nil if no mapping is needed.
func columnsOf(r io.Reader, chosen map[string]string) *columnsForm {
	sample := intake.ReadSample(r, previewRows)
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
// needs any.
func (s *Server) askColumns(w http.ResponseWriter, r *http.Request) {
	s.renderPart(w, "upload", "columns", columnsOf(r.Body, nil))
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

func (h *head) columns(chosen map[string]string) *columnsForm {
	return columnsOf(bytes.NewReader(h.first), chosen)
}
