//go:build unix

package cli

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// typist runs a program whose questions go to a terminal, and whose result does not.
type typist struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	result bytes.Buffer
	screen lines
}

func (b *testBundle) onTerminal(args ...string) *typist {
	b.t.Helper()
	master, terminal, err := pty.Open()
	require.NoError(b.t, err)
	p := &typist{t: b.t, master: master, cmd: b.command(args...)}
	p.screen.changed = sync.NewCond(&p.screen.mu)
	p.cmd.Stdin, p.cmd.Stderr, p.cmd.Stdout = terminal, terminal, &p.result
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(b.t, p.cmd.Start())
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(&p.screen, master) // ends with an error when nobody has the terminal open
		p.screen.end()
		close(read)
	}()
	b.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = terminal.Close()
		<-read
		_ = master.Close()
	})
	return p
}

func (p *typist) shows(text string) {
	p.t.Helper()
	require.True(p.t, p.screen.wait(text), "%q never comes; the terminal shows %q", text, p.screen.String())
}

func (p *typist) types(text string) {
	p.t.Helper()
	_, err := p.master.WriteString(text)
	require.NoError(p.t, err)
}

// ends waits for the program, and requires that the terminal shows again what is typed.
func (p *typist) ends(code int) {
	p.t.Helper()
	_ = p.cmd.Wait()
	require.Equal(p.t, code, p.cmd.ProcessState.ExitCode(), p.screen.String())
	p.types("seen again")
	p.shows("seen again")
}

// Asked for on a terminal, the password is not shown.
func TestUserHashOnTerminal(t *testing.T) {
	b := setupPrivate(t, standin.Config{})
	for _, c := range []struct {
		again string
		code  int
		want  string
	}{
		{"correct horse\r", exitOK, ""},
		{"another horse\r", exitError, "the two passwords differ"},
		{"\x03", exitError, "interrupted"},
	} {
		p := b.onTerminal("user", "hash", "anna")
		p.shows("Password of anna: ")
		p.types("correct horse\r")
		p.shows("The same again: ")
		p.types(c.again)
		p.shows(c.want)
		p.ends(c.code)
		require.NotContains(t, p.screen.String(), "horse")
		if c.code == exitOK {
			require.Regexp(t, `^anna:look:\$argon2id\$\S+\n$`, p.result.String())
			continue
		}
		require.Empty(t, p.result.String())
	}
	p := b.onTerminal("user", "hash", "anna")
	p.shows("Password of anna: ")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.shows("interrupted")
	p.ends(exitError)
}
