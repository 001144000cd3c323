package intake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// OpenCSV opens a CSV file, plain or .gz, and reads its header. Close the CSV when done.
func OpenCSV(path string, params CSVParams) (*CSV, error) {
	if params.Name == "" {
		params.Name = path
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, openError(path, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: give the path of a CSV file in it", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	csv, err := NewCSV(file, params)
	if err != nil {
		_ = file.Close() // was only read
		return nil, err
	}
	csv.file = file
	return csv, nil
}

// openError says what to do about the usual reasons why a file does not open.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file: check the path (%w)", path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: no permission to read it: ask its owner, or run chmod +r on it (%w)", path, fs.ErrPermission)
	}
	return fmt.Errorf("error opening %s: %w", path, err)
}
