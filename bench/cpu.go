package bench

import (
	"os"
	"strings"
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
