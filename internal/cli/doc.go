// Package cli is the command line of naru: one file per command. Main is its front door.
//
// Every command is made by a function of its own name that takes the shell: the streams and the flags that all commands
// share. Commands return errors; Main prints them in one place and chooses the exit status. Only serve wires the rooms of
// the program together; the others speak to a server through package api.
package cli
