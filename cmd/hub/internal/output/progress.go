package output

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// How often it is said that work goes on.
const (
	drawEvery = time.Second // on a terminal, where it is one line drawn anew
	lineEvery = 10 * time.Second
)

// Progress says on talk that work goes on, until end is called: on a terminal
// one line tells how long it has taken, elsewhere there is a line every 10 s.
// Nothing else may write to talk meanwhile.
func Progress(talk io.Writer, getenv func(string) string) (end func()) {
	return progress(talk, IsTerminal(talk, getenv))
}

func progress(talk io.Writer, terminal bool) (end func()) {
	every, line := lineEvery, "still working, %s\n"
	if terminal {
		every, line = drawEvery, "\r\x1b[Kstill working, %s"
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for drawn := false; ; drawn = true {
			select {
			case <-ticks.C:
				_, _ = fmt.Fprintf(talk, line, time.Since(began).Round(time.Second)) // the work counts, not the talk
			case <-stop:
				if terminal && drawn {
					_, _ = fmt.Fprint(talk, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-stopped
	})
}
