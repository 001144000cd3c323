package terminal

import (
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
)

// Screen is standard error. Notes, log lines and progress bars share it: while bars
// are drawn, lines go above them.
type Screen struct {
	Raw io.Writer // where it all goes in the end

	mu   sync.Mutex
	bars *mpb.Progress // nil while none are drawn
}

// NewScreen makes a Screen that writes to w.
func NewScreen(w io.Writer) *Screen { return &Screen{Raw: w} }

// Write implements io.Writer.
func (s *Screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bars != nil {
		if n, err := s.bars.Write(b); err == nil {
			return n, nil
		}
	}
	return s.Raw.Write(b)
}

// startBars sends lines through the bars, which print them above themselves.
func (s *Screen) startBars(bars *mpb.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bars = bars
}

// stopBars calls stop and then writes to the terminal directly again. Lines wait
// meanwhile, because stopping bars would swallow them.
func (s *Screen) stopBars(stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop()
	s.bars = nil
}
