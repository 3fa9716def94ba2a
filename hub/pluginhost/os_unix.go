//go:build unix

package pluginhost

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// ownedByUs reports whether the file belongs to the hub's user or to root:
// nobody else could change it after the check.
func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid())
}

// ownGroup makes the child the leader of a process group of its own, so that a
// terminal's signals miss it and one signal reaches all that it starts.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// signalGroup signals every process of the group that pid leads. It must be
// called before the leader is reaped: afterwards the number may be another's.
func signalGroup(pid int, sig syscall.Signal) { _ = syscall.Kill(-pid, sig) }

// lockFile takes an exclusive lock that ends with this process, however it
// ends. It reports false when another process holds it.
func lockFile(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
