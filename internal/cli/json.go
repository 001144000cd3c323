package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"relabel/internal/intake"
	"relabel/internal/report"
)

// jsonResult is the single object that a command prints with --json. The problems of
// a source are printed first, as they are found, so that a list of any length takes no
// memory. The fields of the command's result come after them.
type jsonResult struct {
	w        io.Writer
	buf      *bufio.Writer // open while problems are listed
	problems int64
}

func (j *jsonResult) problem(p intake.Problem) error {
	text, err := json.Marshal(report.NewProblemView(p))
	if err != nil {
		return fmt.Errorf("error writing JSON: %w", err)
	}
	sep := ",\n    "
	if j.problems == 0 {
		j.buf = bufio.NewWriter(j.w)
		sep = "{\n  \"problems\": [\n    "
	}
	j.problems++
	if _, err = j.buf.WriteString(sep); err == nil {
		_, err = j.buf.Write(text)
	}
	return err
}

// print ends the object with the fields of v.
func (j *jsonResult) print(v any) error {
	if j.buf == nil {
		return printJSON(j.w, v)
	}
	var fields bytes.Buffer
	if err := printJSON(&fields, v); err != nil {
		return err
	}
	_, err := j.buf.WriteString("\n  ],\n" + string(bytes.TrimPrefix(fields.Bytes(), []byte("{\n"))))
	if err == nil {
		err = j.buf.Flush()
	}
	j.buf = nil
	return err
}

// end closes an object that a command left open.
func (j *jsonResult) end() {
	if j.buf == nil {
		return
	}
	_, _ = j.buf.WriteString("\n  ]\n}\n") // the first error stays in the writer, and in the output
	_ = j.buf.Flush()
	j.buf = nil
}

// printJSON writes an object on several lines, without HTML escapes.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("error writing JSON: %w", err)
	}
	return nil
}
