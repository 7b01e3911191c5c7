package engine

import (
	"fmt"
	"os"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// checkMemory holds what the further instances are expected to take against what the kernel says is available. It knows
// nothing where nobody has measured an instance, or where there is no such file.
func checkMemory(n need, meminfo string) (c Check, known bool) {
	available, ok := available(meminfo)
	if !ok || n.memory == 0 || n.instances == 0 {
		return c, false
	}
	wanted := n.memory * int64(n.instances)
	c = Check{"memory", wanted <= available, fmt.Sprintf("%d more instances of about %s each, %s available", n.instances, deploy.Size(n.memory).Human(), deploy.Size(available).Human())}
	if !c.OK {
		c.Detail += "; make room, or scale down before"
	}
	return c, true
}

// available is the memory that programs may still take, in bytes, by the kernel's own estimate.
func available(meminfo string) (bytes int64, ok bool) {
	text, err := os.ReadFile(meminfo)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "MemAvailable:"); found {
			_, err := fmt.Sscanf(rest, "%d kB", &bytes)
			return bytes << 10, err == nil
		}
	}
	return 0, false
}
