//go:build unix

package embedpg

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// jar packs files as the repository's archives are: a zip that holds one tar, compressed with xz.
func jar(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create("postgres-linux-x86_64.txz")
	require.NoError(t, err)
	_, err = f.Write(xz(tarball(t, files)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// tarball has closed modes, as an archive made under a strict umask would.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := int64(0o600)
		if path.Dir(name) == "bin" {
			mode = 0o700
		}
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(files[name]))}))
		_, err := w.Write([]byte(files[name]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// xz wraps data in the xz format without compressing it: one block of stored LZMA2 chunks. Go has no xz writer, and
// a test should not need a program for it.
func xz(data []byte) []byte {
	flags := []byte{0, 1}                                   // check: CRC32
	header := withCRC([]byte{2, 0, 0x21, 1, 0x10, 0, 0, 0}) // 12 bytes, one filter: LZMA2 with a dictionary of 1 MB
	var chunks []byte
	for i, part := range slices.Collect(slices.Chunk(data, 1<<16)) {
		control := byte(2)
		if i == 0 {
			control = 1 // resets the dictionary
		}
		chunks = append(binary.BigEndian.AppendUint16(append(chunks, control), uint16(len(part)-1)), part...)
	}
	chunks = append(chunks, 0)
	const check = 4
	index := binary.AppendUvarint([]byte{0, 1}, uint64(len(header)+len(chunks)+check))
	index = withCRC(pad(binary.AppendUvarint(index, uint64(len(data)))))

	out := append([]byte{0xfd, '7', 'z', 'X', 'Z', 0}, withCRC(flags)...)
	out = append(out, header...)
	out = append(out, pad(chunks)...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	out = append(out, index...)
	footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(footer))
	return append(append(out, footer...), 'Y', 'Z')
}

func withCRC(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
