package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// cpuModel returns the processor's name where the system tells it in
// /proc/cpuinfo, as Linux does on most machines, or "".
func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A machineLoad tells how busy a machine was so far.
type machineLoad struct {
	at          time.Time     // when it was read
	busy, total float64       // of all cores together, in the system's ticks
	own         time.Duration // of this process
	known       bool
}

// readLoad reads how busy the machine was so far, where the system tells it in
// /proc/stat (proc(5)): user, nice, system, idle, iowait, irq, softirq and steal.
func readLoad() (l machineLoad) {
	l.at = time.Now()
	var ok bool
	l.own, ok = cpuTime()
	text, err := os.ReadFile("/proc/stat")
	if err != nil || !ok {
		return l
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return l
	}
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return l
		}
		l.total += ticks
		if i != 3 && i != 4 { // idle, iowait
			l.busy += ticks
		}
	}
	l.known = true
	return l
}

// others returns the share of all cores' time that others than this process used
// since before, from 0 to 1, or -1 if the system does not tell.
func (l machineLoad) others(before machineLoad) float64 {
	if !l.known || !before.known || l.total <= before.total {
		return -1
	}
	busy := (l.busy - before.busy) / (l.total - before.total)
	own := (l.own - before.own).Seconds() / (l.at.Sub(before.at).Seconds() * float64(runtime.NumCPU()))
	return min(max(busy-own, 0), 1)
}
