package standin

import (
	"math/rand/v2"
	"time"
)

// Fault is something that goes wrong with a call, in place of its proper answer or on
// the way to it. The functions that make them say whether the change asked for is made;
// AfterApply makes it first. The zero Fault is none: it lets a call of a script pass.
type Fault struct {
	Name string // for the log

	delay    time.Duration
	prevents bool    // nothing is applied
	rename   *string // applied instead of the name sent
	lingers  bool    // play takes its time
	play     func(*exchange)
}

// AfterApply is the same fault with the change made before it: the client is told of
// a failure, or of nothing, and the call has landed.
func (f Fault) AfterApply() Fault {
	f.Name += ", applied"
	f.prevents = false
	return f
}

// Chance is a fault and how likely a call meets it, 0 to 1.
type Chance struct {
	P     float64
	Fault Fault
}

// faults are the ones in store: an asset's own script first, then that of the next
// calls, then the chances.
type faults struct {
	asset   map[string][]Fault
	calls   []Fault
	chances []Chance
}

func (f *faults) next(assetID string, rnd *rand.Rand) Fault {
	if list := f.asset[assetID]; len(list) > 0 {
		f.asset[assetID] = list[1:]
		return list[0]
	}
	if len(f.calls) > 0 {
		first := f.calls[0]
		f.calls = f.calls[1:]
		return first
	}
	return f.draw(rnd)
}

func (f *faults) draw(rnd *rand.Rand) Fault {
	if len(f.chances) == 0 {
		return Fault{}
	}
	p := rnd.Float64()
	for _, c := range f.chances {
		if p < c.P {
			return c.Fault
		}
		p -= c.P
	}
	return Fault{}
}

// SetChances replaces the faults that calls meet by chance; none: no more.
func (s *Server) SetChances(chances ...Chance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.chances = chances
}

// FailNext gives the next calls these faults, one each. Only calls within the limit
// and with a valid token take one.
func (s *Server) FailNext(list ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.calls = append(s.faults.calls, list...)
}

// FailAsset gives the next calls about one asset these faults, one each.
func (s *Server) FailAsset(assetID string, list ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.asset == nil {
		s.faults.asset = map[string][]Fault{}
	}
	s.faults.asset[assetID] = append(s.faults.asset[assetID], list...)
}

// Repeat is n times the same fault, for a script.
func Repeat(n int, f Fault) []Fault {
	list := make([]Fault, n)
	for i := range list {
		list[i] = f
	}
	return list
}
