package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc: the kernel's USER_HZ, which is
// 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// cpuOf returns the processor time that a process has used so far.
func cpuOf(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	st, err := parseStat(raw)
	return st.cpu, err
}

// stat is what is read of /proc/<pid>/stat.
type stat struct {
	parent int
	cpu    time.Duration
}

func parseStat(raw []byte) (stat, error) {
	// The name of the program is in parentheses and may hold anything.
	i := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[i+1:]))
	if i < 0 || len(fields) < 13 {
		return stat{}, errors.New("read /proc/<pid>/stat: unknown form")
	}
	parent, err1 := strconv.Atoi(fields[1])
	user, err2 := strconv.ParseInt(fields[11], 10, 64)
	system, err3 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return stat{}, fmt.Errorf("read /proc/<pid>/stat: %w", err)
	}
	return stat{parent: parent, cpu: time.Duration(user+system) * tick}, nil
}

// childrenOf returns the processes that a process has started and that live.
func childrenOf(pid int) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		if st, err := parseStat(raw); err == nil && st.parent == pid {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				return nil, err
			}
			children = append(children, child)
		}
	}
	return children, nil
}

// rssOf returns the resident memory of a process in MiB.
func rssOf(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read resident memory: %w", err)
	}
	kib, err := parseKiB(raw, "VmRSS")
	return kib / 1024, err
}

// parseKiB reads a line such as "VmRSS:   15360 kB".
func parseKiB(raw []byte, name string) (float64, error) {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		return n, nil
	}
	return 0, fmt.Errorf("read %s: no such line", name)
}
