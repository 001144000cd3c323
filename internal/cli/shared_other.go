//go:build !unix

package cli

import "io/fs"

// isShared is false: each user has a folder for temporary files there.
func isShared(string) bool { return false }

func isForeign(fs.FileInfo) bool { return false }
