package pluginhost

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// awaitExit blocks until the child has exited, and leaves it unreaped: its pid
// and its group cannot become another's before the caller reaps it. It reports
// false when it could not wait.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// peerInGroup reports whether the process that listens at the other end of the
// connection belongs to the group that pid leads.
func peerInGroup(conn *net.UnixConn, pid int) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return false
	}
	group, err := unix.Getpgid(int(cred.Pid))
	return err == nil && group == pid
}

// endMarked kills every process of our user whose environment holds the
// marker, and returns how many there were. The environment is read again
// behind the pidfd: from then on the number cannot become another process.
func endMarked(marker string) (int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	want := []byte(marker)
	killed := 0
	var firstErr error
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil || pid == os.Getpid() || !environHas(pid, want) {
			continue
		}
		if err := killBehindFD(pid, want); err != nil && firstErr == nil {
			firstErr = err
		}
		killed++
	}
	return killed, firstErr
}

func killBehindFD(pid int, want []byte) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if !environHas(pid, want) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	// A pidfd is readable once the process has exited. One second is ample for
	// a kill; a process stuck in the kernel is left to it.
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(poll, 1000); !errors.Is(err, unix.EINTR) {
			return nil
		}
	}
}

// environHas reports whether the environment the process was started with
// holds the entry. Another user's process cannot be read and has none.
func environHas(pid int, entry []byte) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, entry) {
			return true
		}
	}
	return false
}
