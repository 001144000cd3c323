package dbtest

import (
	"flag"
	"runtime"
	"strconv"
)

// AtOnce lets n parallel tests of a package run at once, unless the flag -parallel asks for another number. Call it in
// TestMain of a package whose tests wait nearly all of their time: for back-offs, windows or workers.
func AtOnce(n int) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set(strconv.Itoa(n))
	}
}
