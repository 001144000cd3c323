//go:build unix

package embedpg

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// maxArchive bounds what is read of a download, and of the archive in it. The largest jar has 30 MB.
const maxArchive = 128 << 20

// download reads a whole file.
func download(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("error downloading %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("error downloading: %w", err) // it names the URL
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("error downloading %s: the answer was %s", url, resp.Status)
	}
	body, err := readBounded(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("error downloading %s: %w", url, err)
	}
	return body, nil
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxArchive+1))
	if err == nil && len(data) > maxArchive {
		err = fmt.Errorf("it is larger than %d MB", maxArchive>>20)
	}
	return data, err
}

// writeArchive writes the one archive that a jar holds: a jar is a zip file around a .txz.
func writeArchive(path string, jar []byte) error {
	r, err := zip.NewReader(bytes.NewReader(jar), int64(len(jar)))
	if err != nil {
		return fmt.Errorf("error reading the fetched archive: %w", err)
	}
	for _, file := range r.File {
		if strings.HasSuffix(file.Name, ".txz") {
			return extract(path, file)
		}
	}
	return errors.New("the fetched archive holds no .txz")
}

func extract(path string, file *zip.File) error {
	in, err := file.Open()
	if err != nil {
		return fmt.Errorf("error reading the fetched archive: %w", err)
	}
	defer func() { _ = in.Close() }()
	data, err := readBounded(in)
	if err != nil {
		return fmt.Errorf("error reading the fetched archive: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("error making folder: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("error writing archive: %w", err)
	}
	return nil
}
