// Command program is what the tests of the docker platform run in containers.
package main

import (
	"os"
	"runtime"

	"github.com/naru-deploy/naru/internal/platform/platformtest"
)

func main() {
	switch os.Args[1] {
	case "eat":
		eat()
	case "pass":
		return
	}
	platformtest.Program(os.Args[1]).Main(os.Args[2:])
}

// eat uses more and more memory until somebody ends it.
func eat() {
	var all [][]byte
	for {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = 1 // a page counts when it is written to
		}
		all = append(all, piece)
		runtime.KeepAlive(all)
	}
}
