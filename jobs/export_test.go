package jobs

// Joined returns how many queues the pool works now.
func (p *Pool) Joined() int {
	p.queues.mu.Lock()
	defer p.queues.mu.Unlock()
	return len(p.queues.joined)
}
