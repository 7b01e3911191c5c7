// Package dockertest gives tests a real Docker engine: the one that runs on the machine, or one of their own, with
// images made from nothing but a static program. Only tests import it.
package dockertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
)

// Engine is a Docker engine that answers.
type Engine struct {
	// Host is its address, for DOCKER_HOST.
	Host string

	dir    string // of an engine of our own
	bridge string
	cmd    *exec.Cmd
}

// Find returns the engine that DOCKER_HOST names or that listens at the usual place; else it starts one of its own, with a
// data folder and a socket in a temporary folder, which takes root. The error says why there is none: tests skip with it.
func Find() (*Engine, error) {
	running := &Engine{Host: os.Getenv("DOCKER_HOST")}
	if running.Host == "" {
		running.Host = client.DefaultDockerHost
	}
	err := running.answers()
	if err == nil {
		return running, nil
	}
	if os.Getenv("DOCKER_HOST") != "" {
		return nil, fmt.Errorf("no Docker engine answers at DOCKER_HOST=%s: %w", running.Host, err)
	}
	return begin("")
}

// Small starts an engine of its own whose data folder is a disk of so many bytes, such as 64m. The error says why that is not
// possible here: tests skip with it.
func Small(size string) (*Engine, error) { return begin(size) }

// begin starts an engine in a temporary folder; size bounds its data folder, empty: as large as the disk.
func begin(size string) (*Engine, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("no Docker engine answers, and starting one for the tests takes root")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		return nil, errors.New("no Docker engine answers, and there is no dockerd to start: apt-get install docker.io")
	}
	dir, err := os.MkdirTemp("", "nd") // short: the path of a socket in it has at most 107 characters
	if err != nil {
		return nil, err
	}
	e := &Engine{Host: "unix://" + filepath.Join(dir, "docker.sock"), dir: dir}
	if size != "" {
		if err := e.mount(size); err != nil {
			e.Stop()
			return nil, err
		}
	}
	e.bridge = e.addBridge(len(size)) // another one beside it has another
	if err := e.start(); err != nil {
		e.Stop()
		return nil, err
	}
	return e, nil
}

// mount puts a small disk, in memory, where the engine keeps its data.
func (e *Engine) mount(size string) error {
	data := filepath.Join(e.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "naru-dockertest", data).CombinedOutput(); err != nil {
		return fmt.Errorf("a small disk cannot be mounted here: %w: %s", err, out)
	}
	return nil
}

// Own reports whether the engine is the tests' own, which may be restarted.
func (e *Engine) Own() bool { return e.dir != "" }

// API returns a client, which the caller closes.
func (e *Engine) API() (*client.Client, error) { return client.New(client.WithHost(e.Host)) }

func (e *Engine) answers() error {
	api, err := e.API()
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = api.ServerVersion(ctx, client.ServerVersionOptions{})
	return err
}

// addBridge makes a network bridge of our own, so that several engines do not share docker0. Where that is not possible the
// engine makes docker0 itself.
func (e *Engine) addBridge(which int) string {
	network := free(os.Getpid() + 7*which)
	if network == "" {
		return ""
	}
	name := fmt.Sprintf("naru%d-%d", os.Getpid()%100000, which)
	for _, args := range [][]string{
		{"link", "add", "name", name, "type", "bridge"},
		{"addr", "add", network, "dev", name},
		{"link", "set", name, "up"},
	} {
		if exec.Command("ip", args...).Run() != nil {
			_ = exec.Command("ip", "link", "del", name).Run()
			return ""
		}
	}
	return name
}

// free is a network that no interface has, also none that a killed test has left: two of one network would answer each other. Empty:
// there is none.
func free(from int) string {
	taken := map[string]bool{}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		taken[a.String()] = true
	}
	for i := range 250 {
		if network := fmt.Sprintf("10.213.%d.1/24", (from+i)%250); !taken[network] {
			return network
		}
	}
	return ""
}

// start runs dockerd and waits until it answers. Ports are published on 127.0.0.1 alone, which the engine's own proxy
// does without any rule of the firewall.
func (e *Engine) start() error {
	args := []string{"--host", e.Host, "--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "exec"),
		"--pidfile", filepath.Join(e.dir, "pid"), "--iptables=false", "--ip-masq=false", "--live-restore"}
	if e.bridge != "" {
		args = append(args, "--bridge", e.bridge)
	}
	log, err := os.OpenFile(filepath.Join(e.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	e.cmd = exec.Command("dockerd", args...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is the tests' to handle
	if err := e.cmd.Start(); err != nil {
		return err
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := e.answers()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || e.cmd.ProcessState != nil || syscall.Kill(e.cmd.Process.Pid, 0) != nil {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("dockerd has not come up: %w: %s", err, text[max(0, len(text)-1000):])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Down ends the engine of the tests; containers go on.
func (e *Engine) Down() error {
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return e.cmd.Wait()
}

// Up starts it again.
func (e *Engine) Up() error { return e.start() }

// detach is MNT_DETACH, which the package unix has for Linux alone: the clients of naru are to build elsewhere, tests included.
const detach = 2

// Stop removes everything that Find has made.
func (e *Engine) Stop() {
	if !e.Own() {
		return
	}
	if api, err := e.API(); err == nil {
		defer api.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if all, err := api.ContainerList(ctx, client.ContainerListOptions{All: true}); err == nil {
			for _, c := range all.Items {
				_, _ = api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
			}
		}
	}
	if e.cmd != nil && e.cmd.ProcessState == nil {
		_ = e.Down()
	}
	if e.bridge != "" {
		_ = exec.Command("ip", "link", "del", e.bridge).Run()
	}
	for _, left := range []string{"data", "exec/netns/default"} { // dockerd leaves these mounted
		_ = unix.Unmount(filepath.Join(e.dir, left), detach)
	}
	_ = os.RemoveAll(e.dir)
}
