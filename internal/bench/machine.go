package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine is what the figures were measured on.
type machine struct {
	CPU        string  `json:"cpu"`
	CPUs       int     `json:"cpus"`
	MemoryMiB  float64 `json:"memory_mib"`
	Kernel     string  `json:"kernel"`
	FileSystem string  `json:"file_system"` // of the stores
	Load       string  `json:"load_average"`
	Go         string  `json:"go"`
}

// describe reads what the machine says of itself. What it does not say stays
// empty.
func describe(dir string) machine {
	m := machine{CPUs: runtime.NumCPU(), Go: runtime.Version()}
	m.CPU = valueOf(read("/proc/cpuinfo"), "model name")
	if kib, err := parseKiB(read("/proc/meminfo"), "MemTotal"); err == nil {
		m.MemoryMiB = kib / 1024
	}
	m.Kernel = string(bytes.TrimSpace(read("/proc/sys/kernel/osrelease")))
	m.FileSystem = fileSystemOf(read("/proc/self/mounts"), dir)
	if fields := strings.Fields(string(read("/proc/loadavg"))); len(fields) > 2 {
		m.Load = strings.Join(fields[:3], " ")
	}
	return m
}

func read(file string) []byte {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return raw
}

// valueOf reads a line such as "model name : …".
func valueOf(raw []byte, name string) string {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// fileSystemOf finds the type of the file system that a directory lies on: that
// of the longest mount point above it.
func fileSystemOf(mounts []byte, dir string) string {
	best, kind := "", ""
	lines := bufio.NewScanner(bytes.NewReader(mounts))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 3 || len(f[1]) < len(best) {
			continue
		}
		if f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/") {
			best, kind = f[1], f[2]
		}
	}
	return kind
}

// String describes the machine in a line.
func (m machine) String() string {
	return fmt.Sprintf("%s, %d CPUs, %.0f MiB, Linux %s, %s, %s, load %s", m.CPU, m.CPUs, m.MemoryMiB, m.Kernel, m.FileSystem, m.Go, m.Load)
}
